/** Starts `serve` as a process in a temporary directory, talks to it, and ends it. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { ServeOptions } from '../../cli/serve.ts'

const program = fileURLToPath(new URL('serve-process.ts', import.meta.url))

export interface ServeProcess {
  readonly endpoint: string
  readonly pid: number
  /** What it has printed so far. */
  words(): string
  /** Sends a signal and waits for the end; the exit code, or the signal that ended it. */
  end(signal: NodeJS.Signals): Promise<number | string>
}

export class TestDirectory {
  readonly path = mkdtempSync(join(tmpdir(), 'sluice-serve-'))
  private readonly running = new Set<ChildProcess>()

  /** A member list of four banks that settle in euro, as a file. */
  members(): string {
    const path = join(this.path, 'members.json')
    const members = ['bank-a', 'bank-b', 'bank-c', 'bank-d'].map((bank) => ({
      bank,
      currencies: ['EUR'],
      settlementAccount: `CENTRAL-${bank}`,
    }))
    writeFileSync(path, JSON.stringify({ version: 'test-1', members }))
    return path
  }

  options(more: Partial<ServeOptions> = {}): ServeOptions {
    return {
      data: join(this.path, 'data'),
      port: 0,
      settings: {
        partitions: 2,
        cycleMs: 2_000,
        graceMs: 200,
        allowedDelayMs: 100,
        serveTickMs: 100,
        serveIdleTickMs: 100,
      },
      members: this.members(),
      ...more,
    }
  }

  /** Starts it and waits until its door is open; the words that it ended with when it is not. */
  async serve(options: ServeOptions = this.options()): Promise<ServeProcess> {
    const child = spawn(process.execPath, [program, JSON.stringify(options)], { stdio: ['ignore', 'ignore', 'pipe'] })
    this.running.add(child)
    let words = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (words += text))
    const exited = new Promise<number | string>((resolve) => {
      child.once('exit', (code, signal) => {
        this.running.delete(child)
        resolve(signal ?? code ?? -1)
      })
    })
    for (;;) {
      const endpoint = /^API\s+(http:\/\/[^/\s]+)/m.exec(words)?.[1]
      if (endpoint !== undefined && words.includes('Stop with')) {
        return {
          endpoint,
          pid: child.pid as number,
          words: () => words,
          end: (signal) => {
            child.kill(signal)
            return exited
          },
        }
      }
      const ended = await Promise.race([exited, sleep(20, null)])
      if (ended !== null) throw new Error(`serve ended (${ended}): ${words}`)
    }
  }

  async remove(): Promise<void> {
    for (const child of this.running) {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
    }
    // A killed process leaves ClickHouse behind for the moment in which it notices.
    for (let tries = 0; ; tries++) {
      try {
        rmSync(this.path, { recursive: true, force: true })
        return
      } catch (error) {
        if (tries === 50) throw error
        await sleep(100)
      }
    }
  }
}

/** A payment of 12.30 EUR from bank-a to bank-b that occurred now. */
export const payment = (transactionId: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  transactionId,
  occurredAt: Date.now(),
  payerAccount: `ACC-${transactionId}`,
  payeeAccount: 'SHOP-1',
  payerBank: 'bank-a',
  payeeBank: 'bank-b',
  amount: '12.30',
  currency: 'EUR',
  ...more,
})

export async function post(
  endpoint: string,
  body: unknown,
): Promise<{ status: number; value: Record<string, unknown> }> {
  const response = await fetch(`${endpoint}/v1/transactions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: response.status, value: (await response.json()) as Record<string, unknown> }
}

/** Asks until the answer is right; throws with the last answer after 60 s. */
export async function until<T>(ask: () => Promise<T>, right: (answer: T) => boolean): Promise<T> {
  const end = performance.now() + 60_000
  for (;;) {
    const answer = await ask()
    if (right(answer)) return answer
    if (performance.now() > end) throw new Error(`still not right after 60 s: ${JSON.stringify(answer)}`)
    await sleep(50)
  }
}
