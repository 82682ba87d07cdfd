/** The sink of a round from outside: a process that is started, asked to come to its end, and started again when it ended by itself. */
import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { SinkOrder, SinkWord } from './sink.ts'

/** An end that is asked for so often and not reached is a fault of its own. */
const TRIES = 3

export class SinkProcess {
  readonly #order: SinkOrder
  readonly #say: (text: string) => void
  #child: ChildProcess | null = null
  #ready: Promise<void> = Promise.resolve()

  constructor(order: SinkOrder, say: (text: string) => void) {
    this.#order = order
    this.#say = say
  }

  start(): void {
    const child = fork(join(import.meta.dirname, 'sink.ts'), [JSON.stringify(this.#order)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#child = child
    this.#ready = new Promise((resolve) => {
      child.once('message', () => resolve())
      child.once('exit', () => resolve())
    })
  }

  /** Everything that is cut in the log is in ClickHouse; what its tables then hold. */
  async end(): Promise<SinkWord> {
    for (let tries = 0; tries < TRIES; tries++) {
      if (this.#child === null || this.#child.exitCode !== null || this.#child.signalCode !== null) this.start()
      await this.#ready
      const child = this.#child!
      const told = new Promise<SinkWord | null>((resolve) => {
        child.once('message', (word) => resolve(word as SinkWord))
        child.once('exit', () => resolve(null))
      })
      if (child.connected) child.send('end')
      const word = await told
      if (word !== null) return word
      this.#say('the sink ended by itself; one more')
    }
    throw new Error('the sink does not come to its end')
  }

  stop(): void {
    this.#child?.kill('SIGKILL')
  }
}
