/** The workers of a round: started, killed, stopped and started again; what they own and commit; how long a kill costs. */
import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { points, WorkerOrder, WorkerWord } from './line.ts'
import { openLinks, type Proxy } from './proxy.ts'

export type Point = (typeof points)[number]

/** Counted over all rounds. */
export interface Tally {
  kills: number
  readonly killsAt: Map<string, number>
  zombies: number
  /** Steps of a worker's clock. */
  clocks: number
  /** Workers that ended by themselves: no services to be found, or a bug. */
  ended: number
  recoveries: number
  /** Rows of [R, K) that were processed again, their outputs suppressed. */
  reprocessed: number
  refused: number
  readonly failures: Map<string, number>
  readonly halts: { readonly task: string; readonly code: string; readonly text: string }[]
  /** Seconds from the kill of a worker to the next commit of each task that it owned. */
  readonly takeovers: number[]
}

export const newTally = (): Tally => ({
  kills: 0,
  killsAt: new Map(),
  zombies: 0,
  clocks: 0,
  ended: 0,
  recoveries: 0,
  reprocessed: 0,
  refused: 0,
  failures: new Map(),
  halts: [],
  takeovers: [],
})

const add = (counts: Map<string, number>, name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1)

export interface FleetOptions {
  readonly size: number
  readonly order: Omit<WorkerOrder, 'routes'>
  /** Of each worker: the ports that it is told, and where its links to them lead. */
  readonly links: (index: number) => readonly { readonly port: number; readonly target: number }[]
  readonly tally: Tally
  readonly say: (text: string) => void
}

export class Worker {
  readonly links: readonly Proxy[]
  readonly owns = new Set<string>()
  process: ChildProcess | null = null
  asleep = false
  /** What its clock is ahead of the true time, in ms. */
  clockMs = 0
  #gone: Promise<void> = Promise.resolve()

  constructor(links: readonly Proxy[]) {
    this.links = links
  }

  get gone(): Promise<void> {
    return this.#gone
  }

  begin(process: ChildProcess): void {
    this.process = process
    this.#gone = new Promise((resolve) => process.once('exit', () => resolve()))
  }
}

export class Fleet {
  readonly workers: Worker[] = []
  /** K of every task, as committed by whoever. */
  readonly committed = new Map<string, number>()
  commits = 0
  readonly #options: FleetOptions
  readonly #waiting = new Map<string, number>()
  #routes: Readonly<Record<string, number>>[] = []
  #ending = false

  constructor(options: FleetOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    const { size } = this.#options
    for (let index = 0; index < size; index++) {
      const { links, routes } = await openLinks(this.#options.links(index))
      this.#routes.push(routes)
      this.workers.push(new Worker(links))
      this.#spawn(index)
    }
  }

  #spawn(index: number, kill?: WorkerOrder['kill']): void {
    const worker = this.workers[index]
    const { clockMs } = worker
    const order: WorkerOrder = { ...this.#options.order, routes: this.#routes[index], kill, clockMs }
    const child = fork(join(import.meta.dirname, 'worker.ts'), [JSON.stringify(order)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    let said = ''
    child.stderr!.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)))
    child.on('message', (word) => this.#hear(worker, word as WorkerWord))
    child.once('exit', (code, signal) => {
      if (this.#ending || signal === 'SIGKILL') return
      this.#options.tally.ended++
      this.#options.say(`worker ${index} ended by itself with ${code ?? signal}: ${said.trim().slice(-600)}`)
    })
    worker.begin(child)
    worker.owns.clear()
    void worker.gone.then(() => {
      if (worker.process !== child || this.#ending) return
      setTimeout(() => {
        if (!this.#ending && worker.process === child) this.#spawn(index)
      }, 100)
    })
  }

  #hear(worker: Worker, word: WorkerWord): void {
    const { tally, say } = this.#options
    if (word.said === 'owns') {
      for (const other of this.workers) other.owns.delete(word.task)
      worker.owns.add(word.task)
      tally.recoveries++
      tally.reprocessed += word.rows
    } else if (word.said === 'committed') {
      this.commits++
      this.committed.set(word.task, Math.max(word.position, this.committed.get(word.task) ?? 0))
      const since = this.#waiting.get(word.task)
      if (since === undefined || worker.asleep) return
      this.#waiting.delete(word.task)
      tally.takeovers.push((performance.now() - since) / 1000)
    } else if (word.said === 'refused') tally.refused++
    else if (word.said === 'failed') add(tally.failures, word.code)
    else if (word.said === 'halted') {
      tally.halts.push(word)
      say(`HALT ${word.task}: ${word.text}`)
    }
  }

  /** kill -9, now. */
  async kill(index: number): Promise<void> {
    this.#counted(index, 'anywhere')
    this.workers[index].process?.kill('SIGKILL')
    await this.workers[index].gone
  }

  /**
   * The worker kills itself when it passes the point; one that does not come there within `patienceMs` is killed anyway.
   * True: it died at the point.
   */
  async killAt(index: number, point: Point | 'between', count: number, patienceMs: number): Promise<boolean> {
    const worker = this.workers[index]
    const child = worker.process!
    if (child.exitCode !== null || child.signalCode !== null) {
      await this.kill(index)
      return false
    }
    const hit = new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), patienceMs)
      child.once('exit', () => {
        clearTimeout(timer)
        resolve(true)
      })
    })
    // The points of a recovery are passed by a worker that has just come.
    const recovering = point === 'fence-sent' || point === 'acquired'
    if (recovering) {
      child.kill('SIGKILL')
      await worker.gone
      this.#spawn(index, { point, count: 1 })
      const next = worker.process!
      const at = new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(false), patienceMs)
        next.once('exit', () => {
          clearTimeout(timer)
          resolve(true)
        })
      })
      this.#counted(index, 'anywhere')
      const died = await at
      if (died) this.#counted(index, point)
      else await this.kill(index)
      return died
    }
    child.send({ kill: { point, count } })
    const died = await hit
    if (died) this.#counted(index, point)
    else await this.kill(index)
    return died
  }

  #counted(index: number, point: string): void {
    const { tally } = this.#options
    tally.kills++
    add(tally.killsAt, point)
    for (const task of this.workers[index].owns) {
      if (task.startsWith('payments-') && !this.#waiting.has(task)) this.#waiting.set(task, performance.now())
    }
  }

  /** SIGSTOP until the group has given its tasks to others, then SIGCONT while they work. */
  async zombie(index: number, ms: number): Promise<void> {
    const worker = this.workers[index]
    worker.process?.kill('SIGSTOP')
    worker.asleep = true
    await new Promise((resolve) => setTimeout(resolve, ms))
    worker.process?.kill('SIGCONT')
    worker.asleep = false
    this.#options.tally.zombies++
  }

  /** The clock of a worker steps, and stays so when it is started again. */
  step(index: number, clockMs: number): void {
    const worker = this.workers[index]
    worker.clockMs = clockMs
    if (worker.process?.connected === true) worker.process.send({ clockMs })
    this.#options.tally.clocks++
  }

  /** Resolves with the next commit of anybody, or false after `ms`. */
  async progress(ms: number): Promise<boolean> {
    const { commits } = this
    const until = performance.now() + ms
    while (this.commits === commits && performance.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 20))
    return this.commits > commits
  }

  open(): void {
    for (const { links } of this.workers) for (const link of links) link.set('open')
  }

  async stop(): Promise<void> {
    this.#ending = true
    for (const { process } of this.workers) process?.kill('SIGKILL')
    await Promise.all(this.workers.map(({ gone }) => gone))
    await Promise.all(this.workers.flatMap(({ links }) => links.map((link) => link.close())))
  }
}
