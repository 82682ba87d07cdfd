/** The sink of a round from outside: a process that is killed, stopped and cut off, started again, and asked to come to its end. */
import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { openLinks, portOf, type Proxy } from './proxy.ts'
import type { SinkOrder, SinkWord } from './sink.ts'

/** An end that is asked for so often and not reached is a fault of its own. */
const TRIES = 3
/** How long two of them write side by side. */
const BESIDE_MS = 3_000

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export class SinkProcess {
  readonly #order: Omit<SinkOrder, 'routes'>
  readonly #say: (text: string) => void
  #links: readonly Proxy[] = []
  #routes: SinkOrder['routes'] = {}
  #child: ChildProcess | null = null
  #ready: Promise<void> = Promise.resolve()
  #over = false

  constructor(order: Omit<SinkOrder, 'routes'>, say: (text: string) => void) {
    this.#order = order
    this.#say = say
  }

  /** To the brokers and to ClickHouse. */
  get links(): readonly Proxy[] {
    return this.#links
  }

  async start(): Promise<void> {
    const ports = [...this.#order.brokers, new URL(this.#order.clickhouse).host].map(portOf)
    const { links, routes } = await openLinks(ports.map((port) => ({ port, target: port })))
    this.#links = links
    this.#routes = routes
    this.#spawn()
  }

  #spawn(): void {
    const order: SinkOrder = { ...this.#order, routes: this.#routes }
    const child = fork(join(import.meta.dirname, 'sink.ts'), [JSON.stringify(order)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#child = child
    this.#ready = new Promise((resolve) => {
      child.once('message', () => resolve())
      child.once('exit', () => resolve())
    })
    child.once('exit', () => {
      setTimeout(() => {
        if (!this.#over && this.#child === child) this.#spawn()
      }, 100)
    })
  }

  /** kill -9; it comes back by itself. */
  async kill(): Promise<void> {
    await killed(this.#child!)
  }

  /** It stops for so long while another one takes its place, wakes up, and both write for a while. */
  async late(ms: number): Promise<void> {
    const first = this.#child!
    first.kill('SIGSTOP')
    this.#spawn()
    await sleep(ms)
    first.kill('SIGCONT')
    await sleep(BESIDE_MS)
    await killed(first)
  }

  /** Everything that is cut in the log is in ClickHouse; what its tables then hold. */
  async end(): Promise<SinkWord> {
    for (const link of this.#links) link.set('open')
    for (let tries = 0; tries < TRIES; tries++) {
      const child = this.#child!
      await this.#ready
      const told = new Promise<SinkWord | null>((resolve) => {
        child.once('message', (word) => resolve(word as SinkWord))
        child.once('exit', () => resolve(null))
        if (child.exitCode !== null || child.signalCode !== null) resolve(null)
      })
      if (child.connected) child.send('end')
      const word = await told
      if (word !== null) {
        this.#over = true
        return word
      }
      this.#say('the sink ended by itself; one more')
      await sleep(1_000)
    }
    throw new Error('the sink does not come to its end')
  }

  async stop(): Promise<void> {
    this.#over = true
    if (this.#child !== null) await killed(this.#child)
    await Promise.all(this.#links.map((link) => link.close()))
  }
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await gone
}
