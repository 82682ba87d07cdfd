/** Runs the Lua files of scripts/ by their SHA-1, sending a text only to a server that does not have it. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import { sendWritten, type RespWriter } from './resp.ts'

export type Argument = string | Buffer

/** Arguments, or what was written of them already, one piece after the other. */
export type Arguments = readonly Argument[] | { readonly written: readonly RespWriter[] }

/** Runs on keys of one task and arguments; texts come back as buffers, numbers as numbers, nil as null. */
export type Script = (redis: Redis, keys: readonly string[], args: Arguments) => Promise<unknown>

/** A script of scripts/NAME.lua. */
export function script(name: string): Script {
  const text = readFileSync(join(import.meta.dirname, 'scripts', `${name}.lua`), 'utf8')
  const sha = createHash('sha1').update(text).digest('hex')
  return async (redis, keys, args) => {
    const first = [String(keys.length), ...keys]
    const send = (name: string, which: string): Promise<unknown> =>
      'written' in args
        ? sendWritten(redis, name, [which, ...first], args.written)
        : redis.callBuffer(name, [which, ...first, ...args])
    try {
      return await send('EVALSHA', sha)
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return send('EVAL', text)
    }
  }
}
