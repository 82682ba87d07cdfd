/** What happens in a round before it is left in peace: its input comes in while workers, stores, brokers, tables and links fail. */
import type { Random } from '../../intake/random.ts'
import { topics } from '../../schemas/topics.ts'
import type { Fleet, Tally } from './fleet.ts'
import { client } from './foreign.ts'
import { input, type Message } from './input.ts'
import { schedule, type Plan, type ServiceFault, type WorkerFault } from './plan.ts'
import { modes } from './proxy.ts'
import type { SinkProcess } from './sink-process.ts'
import type { Counts } from './statement.ts'
import { strikeBroker } from './stores.ts'
import { strikeTables, type TableFault } from './tables.ts'
import type { Services } from './world.ts'

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
/** What a worker may take to pass a named point before it is killed wherever it is. */
const POINT_MS = 15_000
const POINT_TRIES = 3
/** What is waited for a worker that owns something. */
const OWNER_MS = 30_000
/** Longer than the session of a group member, so that others have its tasks when it wakes up. */
const ASLEEP_MS = 7_000
/** A topic that takes nothing for so long is a fault of its own. */
const SEND_MS = 300_000
const DAY_MS = 86_400_000

/** Between outputs and position of the faulty workers: every kill there leaves copies. */
const negative: ReturnType<typeof schedule> = {
  workers: Array.from({ length: 4 }, () => ({ what: 'point', point: 'between' })),
  services: [],
  tables: [],
}

export interface RoundOptions {
  readonly services: Services
  readonly plan: Plan
  readonly seed: number
  readonly round: number
  readonly random: Random
  readonly counts: Counts
  readonly tally: Tally
  readonly say: (text: string) => void
  /** The negative control: workers commit at least once, and die in between. Only readers are asked what they saw. */
  readonly control?: boolean
}

export interface Scene {
  /** Of the round's topics. */
  readonly prefix: string
  readonly database: string
  readonly fleet: Fleet
  readonly sink: SinkProcess
}

export class Storm {
  readonly #options: RoundOptions
  readonly #scene: Scene
  readonly #began = performance.now()
  #done = 0
  #faults = 1

  constructor(options: RoundOptions, scene: Scene) {
    this.#options = options
    this.#scene = scene
  }

  /** Input, faults of workers, services and tables, and network windows, side by side; resolves with how many faults. */
  async run(): Promise<number> {
    const { plan, random, round, tally, control } = this.#options
    const { workers, services, tables } = control === true ? negative : schedule(plan, random, round, tally.killsAt)
    this.#faults = Math.max(1, workers.length + services.length)
    const sending = this.#send()
    if (workers.length + services.length > 0) await this.#scene.fleet.progress(120_000)
    let over = false
    const lanes = [this.#workerFaults(workers), this.#serviceFaults(services), this.#tableFaults(tables)]
    const windows = this.#windows(() => over)
    await Promise.all(lanes)
    over = true
    await windows
    this.#done = this.#faults
    await sending
    return this.#faults
  }

  /** Sends the input as far as faults are done: there is always something to do, and never everything yet. */
  async #send(): Promise<void> {
    const { plan, seed, round, services } = this.#options
    const producer = client(services.kafka.endpoint.split(',')).producer({ allowAutoTopicCreation: false })
    await producer.connect()
    const topic = `${this.#scene.prefix}.${topics.transactions.name}`
    let sent = 0
    let batch: Message[] = []
    const flush = async (): Promise<void> => {
      const messages = batch
      batch = []
      const until = performance.now() + SEND_MS
      while (messages.length > 0) {
        try {
          await producer.send({ topic, messages, acks: -1 })
          return
        } catch (error) {
          if (performance.now() > until) throw error
          // Perhaps some of it is there: then the log has copies, which is what logs have.
          await sleep(200)
        }
      }
    }
    for (const message of input(seed * 1_000 + round, plan.payments)) {
      batch.push(message)
      if (batch.length < 500) continue
      await flush()
      sent += 500
      while (sent > plan.payments * Math.min(1.5, (this.#done + 2) / this.#faults) && this.#done < this.#faults) {
        await sleep(50)
      }
    }
    await flush()
    await producer.disconnect()
  }

  async #workerFaults(faults: readonly WorkerFault[]): Promise<void> {
    const { random, say } = this.#options
    const { fleet } = this.#scene
    for (const fault of faults) {
      const index = await this.#victim()
      say(`${this.#time()} worker ${index}: ${fault.what === 'point' ? fault.point : fault.what}`)
      if (fault.what === 'zombie') await fleet.zombie(index, ASLEEP_MS)
      else if (fault.what === 'clock') fleet.step(index, random.chance(0.5) ? DAY_MS : -DAY_MS)
      else if (fault.what === 'point') {
        let died = await fleet.killAt(index, fault.point, 1 + random.below(3), POINT_MS)
        // A worker may have nothing to do just then; another one perhaps has.
        for (let tries = 1; tries < POINT_TRIES && !died; tries++) {
          died = await fleet.killAt(await this.#victim(), fault.point, 1, POINT_MS)
        }
      } else {
        await sleep(50 + random.below(1_950))
        await fleet.kill(index)
      }
      this.#done++
      if (random.chance(0.7)) await fleet.progress(20_000)
    }
  }

  /** A worker that has something to lose; after a while any. */
  async #victim(): Promise<number> {
    const { random } = this.#options
    const { fleet } = this.#scene
    const until = performance.now() + OWNER_MS
    for (;;) {
      const owners = fleet.workers.flatMap(({ owns, asleep }, index) => (owns.size > 0 && !asleep ? [index] : []))
      if (owners.length > 0) return owners[random.below(owners.length)]
      if (performance.now() > until) return random.below(fleet.workers.length)
      await sleep(50)
    }
  }

  async #serviceFaults(faults: readonly ServiceFault[]): Promise<void> {
    const { random, services, counts, say } = this.#options
    const { redis } = services
    redis.forget()
    if (faults.length > 0) await redis.backup()
    for (const fault of faults) {
      await sleep(200 + random.below(2_000))
      say(
        `${this.#time()} ${'redis' in fault ? `Redis: ${fault.redis}` : `broker ${fault.broker + 1}: ${fault.fault}`}`,
      )
      if ('redis' in fault) {
        await redis.fault(fault.redis, random)
        counts.redisLosses++
      } else {
        const { broker: index, fault: kind } = fault
        await strikeBroker(services.kafka, { fault: kind, index, downMs: random.below(4_000) }, 90_000)
        counts.brokerRestarts++
      }
      this.#done++
      if (!(await this.#scene.fleet.progress(60_000))) say(`no commit for 60 s after ${JSON.stringify(fault)}`)
      if (random.chance(0.3)) await redis.backup().catch(() => undefined)
    }
  }

  async #tableFaults(faults: readonly TableFault[]): Promise<void> {
    const { random, services, counts, say } = this.#options
    const { database, sink } = this.#scene
    const tables = { server: services.clickhouse, database, sink }
    for (const fault of faults) {
      // Spread over the round: there is something to insert all the time.
      while (this.#done < (this.#faults * ((counts.tableFaults % faults.length) + 1)) / (faults.length + 1))
        await sleep(100)
      await sleep(random.below(2_000))
      say(`${this.#time()} tables: ${fault}`)
      while (!(await strikeTables(tables, fault, random))) await sleep(500)
      counts.tableFaults++
    }
  }

  /** Since the round began: what happened when, for whoever looks for a reason. */
  #time(): string {
    return `  ${((performance.now() - this.#began) / 1000).toFixed(1)} s`
  }

  async #windows(over: () => boolean): Promise<void> {
    const { plan, random, counts } = this.#options
    const [least, most] = plan.windowMs
    const linked = [...this.#scene.fleet.workers, this.#scene.sink]
    for (let window = 0; window < plan.windows; window++) {
      const { links } = linked[random.below(linked.length)]
      const link = links[random.below(links.length)]
      link.set(modes[random.below(modes.length)], 50 + random.below(1_500))
      await sleep(least + random.below(most - least))
      link.set('open')
      counts.windows++
      if (!over()) await sleep(random.below(2_000))
    }
  }
}
