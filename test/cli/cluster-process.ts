/** Commands as processes that go on: started, waited for by what they say, killed at a named point, stopped. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { surroundings, type KillAt } from '../lib/sluice.ts'

const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))

export interface Going {
  /** Everything that it said, standard error and output. */
  said(): string
  /** Resolves with the first match; rejects when it ends before. */
  until(pattern: RegExp): Promise<RegExpExecArray>
  kill(): void
  /** SIGTERM; resolves with the exit code, null after a kill. */
  stop(): Promise<number | null>
  readonly ended: Promise<number | null>
}

/** Starts `sluice ARGS`; with `kill` it is killed with SIGKILL when it passes that point for the nth time. */
export function going(args: readonly string[], env: NodeJS.ProcessEnv, kill?: KillAt): Going {
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...surroundings(), ...env, ...(kill === undefined ? {} : { SLUICE_TRACE: '1' }) },
  })
  let text = ''
  let passed = 0
  const waiting = new Set<() => void>()
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => {
      if (line === `@${kill?.point ?? ''}` && ++passed === kill?.nth) child.kill('SIGKILL')
      if (!line.startsWith('@')) text += `${line}\n`
      for (const look of waiting) look()
    })
  }
  const ended = new Promise<number | null>((resolve) => {
    child.on('close', (code) => {
      resolve(code)
      for (const look of waiting) look()
    })
  })
  let over = false
  void ended.then(() => (over = true))
  return {
    said: () => text,
    until: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = pattern.exec(text)
          if (found === null && !over) return
          waiting.delete(look)
          if (found === null)
            reject(new Error(`sluice ${args.join(' ')} ended without saying ${String(pattern)}:\n${text}`))
          else resolve(found)
        }
        waiting.add(look)
        void ended.then(look)
        look()
      }),
    kill: () => void child.kill('SIGKILL'),
    stop: () => {
      child.kill('SIGTERM')
      return ended
    },
    ended,
  }
}

/** The processes of a test file: started as they are needed, stopped together. */
export class Processes {
  readonly #all: Going[] = []

  start(env: NodeJS.ProcessEnv, args: readonly string[], kill?: KillAt): Going {
    const one = going(args, env, kill)
    this.#all.push(one)
    return one
  }

  async stop(): Promise<void> {
    await Promise.all(this.#all.map((one) => one.stop()))
  }
}
