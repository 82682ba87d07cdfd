/**
 * One round: a log of its own is filled while workers, stores, brokers and links fail as planned; then everything is left
 * in peace, has to come to its end, and is compared with the reference, the embedded run and ClickHouse.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Random } from '../../intake/random.ts'
import { topics } from '../../schemas/topics.ts'
import { openDistributed, type DistributedBackend } from '../../streams/distributed/index.ts'
import { committedDigests, digestOf, embeddedDigests, type Digests } from './embedded.ts'
import { Fleet, type Tally } from './fleet.ts'
import { client, follow } from './foreign.ts'
import { input, type Message } from './input.ts'
import { makeLine, specs } from './line.ts'
import { schedule, type Plan, type ServiceFault, type WorkerFault } from './plan.ts'
import { modes, portOf } from './proxy.ts'
import { readByOurs } from './own-reader.ts'
import { outputTopics, Reader } from './reader.ts'
import { differences, reference } from './reference.ts'
import { SinkProcess } from './sink-process.ts'
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
/** Not a claim about speed: the end of a round that does not come to its end. */
const SETTLE_MS = 400_000
const DAY_MS = 86_400_000

/** Between outputs and position of the faulty workers: every kill there leaves copies. */
const negative: ReturnType<typeof schedule> = {
  workers: Array.from({ length: 3 }, () => ({ what: 'point', point: 'between' })),
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

export class Round {
  readonly #options: RoundOptions
  readonly #prefix: string
  readonly #brokers: string[]
  readonly #reader = new Reader()
  readonly #database: string
  readonly #directory = mkdtempSync(join(tmpdir(), 'sluice-chaos-'))
  readonly #began = performance.now()
  #done = 0
  #faults = 1
  readonly #fleet: Fleet
  readonly #sink: SinkProcess

  constructor(options: RoundOptions) {
    this.#options = options
    this.#prefix = `chaos-${options.seed}-${options.round}`
    this.#database = this.#prefix.replaceAll('-', '_')
    this.#brokers = options.services.kafka.endpoint.split(',')
    this.#fleet = this.#newFleet()
    this.#sink = new SinkProcess(
      {
        brokers: this.#brokers,
        redis: options.services.redis.endpoint,
        prefix: this.#prefix,
        clickhouse: options.services.clickhouse.endpoint,
        database: this.#database,
        directory: this.#directory,
      },
      options.say,
    )
  }

  async run(): Promise<void> {
    const { services, counts, say, control } = this.#options
    const backend = await openDistributed({
      brokers: this.#brokers,
      redis: services.redis.endpoint,
      prefix: this.#prefix,
      topicPrefix: `${this.#prefix}.`,
      replicationFactor: 3,
    })
    const [fleet, sink] = [this.#fleet, this.#sink]
    try {
      await makeLine(backend)
      const names = new Map(outputTopics.map(({ name }) => [`${this.#prefix}.${name}`, name]))
      const kafka = client(this.#brokers)
      const following = await follow(kafka, `${this.#prefix}-reader`, [...names.keys()], (record) =>
        this.#reader.take(names.get(record.topic)!, record),
      )
      if (control !== true) await sink.start()
      await fleet.start()
      await this.#storm()
      fleet.open()
      say(`round ${this.#options.round}: all faults done, ${this.#done}; waiting for the end of the log`)
      await this.#settle(backend)
      const digests = await committedDigests(backend.log)
      await this.#readAll(digests)
      await following.stop()
      if (control === true) {
        counts.duplicated += this.#reader.duplicated
        return
      }
      await this.#compare(backend, digests)
      const word = await sink.end()
      counts.rows += word.rows
      counts.unique += word.unique
      counts.expected += word.expected
      if (!word.ok || word.open > 0 || word.rows !== word.unique || word.rows !== word.expected || word.rows === 0) {
        counts.rowsEqual = false
        say(`ClickHouse: ${JSON.stringify(word)}`)
      }
      counts.runs++
      const admin = kafka.admin()
      await admin.connect()
      const all = (await admin.listTopics()).filter((name) => name.startsWith(this.#prefix))
      await admin.deleteTopics({ topics: all }).catch(() => undefined)
      await admin.disconnect()
    } finally {
      await fleet.stop()
      await sink.stop()
      await backend.close().catch(() => undefined)
      rmSync(this.#directory, { recursive: true, force: true })
    }
  }

  #newFleet(): Fleet {
    const { services, plan, tally, say, control } = this.#options
    const brokers = this.#brokers.map(portOf)
    return new Fleet({
      size: plan.workers,
      order: {
        brokers: this.#brokers,
        redis: services.redis.endpoint,
        prefix: this.#prefix,
        replicationFactor: 3,
        atLeastOnce: control,
        ...plan.order,
      },
      links: (index) => [
        ...brokers.map((port) => ({ port, target: port })),
        { port: services.redis.ports[0], target: services.redis.ports[index % 2] },
      ],
      tally,
      say,
    })
  }

  /** Input, worker faults, service faults and network windows, side by side. */
  async #storm(): Promise<void> {
    const { plan, random, round } = this.#options
    const { workers, services, tables } =
      this.#options.control === true ? negative : schedule(plan, random, round, this.#options.tally.killsAt)
    this.#faults = Math.max(1, workers.length + services.length)
    const sending = this.#send()
    if (workers.length + services.length > 0) await this.#fleet.progress(120_000)
    let over = false
    const lanes = [this.#workerFaults(workers), this.#serviceFaults(services), this.#tableFaults(tables)]
    const windows = this.#windows(() => over)
    await Promise.all(lanes)
    over = true
    await windows
    this.#done = this.#faults
    await sending
  }

  /** Sends the input as far as faults are done: there is always something to do, and never everything yet. */
  async #send(): Promise<void> {
    const { plan, seed, round } = this.#options
    const producer = client(this.#brokers).producer({ allowAutoTopicCreation: false })
    await producer.connect()
    const topic = `${this.#prefix}.${topics.transactions.name}`
    let sent = 0
    let batch: Message[] = []
    const flush = async (): Promise<void> => {
      const messages = batch
      batch = []
      while (messages.length > 0) {
        try {
          await producer.send({ topic, messages, acks: -1 })
          return
        } catch {
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
    const fleet = this.#fleet
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
    const fleet = this.#fleet
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
      if (!(await this.#fleet.progress(60_000))) say(`no commit for 60 s after ${JSON.stringify(fault)}`)
      if (random.chance(0.3)) await redis.backup().catch(() => undefined)
    }
  }

  async #tableFaults(faults: readonly TableFault[]): Promise<void> {
    const { random, services, counts, say } = this.#options
    const tables = { server: services.clickhouse, database: this.#database, sink: this.#sink }
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
    const linked = [...this.#fleet.workers, this.#sink]
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

  /** Until every task has committed all of its input and its state stands for all of it. */
  async #settle(backend: DistributedBackend): Promise<void> {
    const { say, tally } = this.#options
    const until = performance.now() + SETTLE_MS
    const behind = async (): Promise<string | null> => {
      for (const { name, at } of specs().values()) {
        const { end } = await backend.log.bounds(at)
        const committed = (await backend.log.peek(name))?.position ?? 0
        if (committed < end) return `${name}: K = ${committed}, end = ${end}`
        const stored = (await backend.state.peek(name, 'none')).header?.position ?? 0
        if (stored < committed) return `${name}: R = ${stored}, K = ${committed}`
      }
      return null
    }
    for (let told = 0; ;) {
      const where = await behind().catch((error: unknown) => String(error))
      if (where === null) return
      if (tally.halts.length > 0 || performance.now() > until) throw new Error(`it does not come to its end: ${where}`)
      if (performance.now() - told > 20_000) {
        say(`  ${where}, ${this.#fleet.commits} commits so far`)
        told = performance.now()
      }
      await sleep(200)
    }
  }

  /** Until the reader has everything that the tasks say they wrote. */
  async #readAll(digests: Digests): Promise<void> {
    const wanted = [...digests.values()].reduce((sum, metadata) => {
      const outputs = metadata === 'nothing' ? {} : (JSON.parse(metadata) as Record<string, [number, string]>)
      return sum + Object.values(outputs).reduce((records, [count]) => records + count, 0)
    }, 0)
    const until = performance.now() + 120_000
    while (this.#reader.records < wanted && performance.now() < until) await sleep(100)
    // Copies would lie behind the last record.
    await sleep(2_000)
  }

  async #compare(backend: DistributedBackend, digests: Digests): Promise<void> {
    const { counts, say } = this.#options
    const { model, events } = await reference(client(this.#brokers), this.#prefix)
    counts.events += events
    const reader = this.#reader
    counts.duplicated += reader.duplicated
    counts.gaps += reader.gaps
    counts.disorder += reader.disorder
    for (const text of reader.found) say(`reader: ${text}`)
    if (reader.found.length > 0) {
      const own = await readByOurs(backend)
      say(`our own reader: ${own.duplicated} twice, ${own.gaps} gaps, ${own.found[0] ?? 'nothing'}`)
    }
    try {
      const { lost, more, wrong, found } = await differences(reader, model)
      counts.lost += lost
      counts.wrong += wrong + more
      for (const text of found) say(`reference: ${text.slice(0, 1_500)}`)
    } catch (error) {
      counts.wrong++
      say(`reference: ${String(error)}`)
    }
    if (!model.balance.balanced) {
      counts.wrong++
      say('the reference does not balance')
    }
    const expected = await embeddedDigests(backend.log)
    counts.digests.push(digestOf(digests))
    for (const [task, metadata] of expected) {
      if (digests.get(task) === metadata) continue
      counts.digestsEqual = false
      say(`digest of ${task}: ${digests.get(task)}, embedded ${metadata}`)
    }
    const { accepted, duplicate, conflicting, deadLetters, held, declined, settled } = model.balance
    const sums = { events, accepted, duplicate, conflicting, deadLetters, held, declined, settled }
    say(`round ${this.#options.round}: ${JSON.stringify(sums)}, ${reader.records} output records`)
  }
}
