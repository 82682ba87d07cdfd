/** Runs the Lua files of scripts/ by their SHA-1, sending a text only to a server that does not have it. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Redis } from 'ioredis'

export type Argument = string | Buffer

/** Runs on keys of one task and arguments; texts come back as buffers, numbers as numbers, nil as null. */
export type Script = (redis: Redis, keys: readonly string[], args: readonly Argument[]) => Promise<unknown>

/** A script of scripts/NAME.lua. */
export function script(name: string): Script {
  const text = readFileSync(join(import.meta.dirname, 'scripts', `${name}.lua`), 'utf8')
  const sha = createHash('sha1').update(text).digest('hex')
  return async (redis, keys, args) => {
    const rest = [String(keys.length), ...keys, ...args]
    try {
      return await redis.callBuffer('EVALSHA', [sha, ...rest])
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return redis.callBuffer('EVAL', [text, ...rest])
    }
  }
}
