/**
 * One round: a log of its own is filled while workers, stores, brokers and links fail as planned; then everything is left
 * in peace, has to come to its end, and is compared with the reference, the embedded run and ClickHouse.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDistributed, type DistributedBackend } from '../../streams/distributed/index.ts'
import { committedDigests, digestOf, embeddedDigests, type Digests } from './embedded.ts'
import { Fleet } from './fleet.ts'
import { client, follow } from './foreign.ts'
import { makeLine, specs } from './line.ts'
import { portOf } from './proxy.ts'
import { readByOurs } from './own-reader.ts'
import { outputTopics, Reader } from './reader.ts'
import { differences, reference } from './reference.ts'
import { SinkProcess } from './sink-process.ts'
import { Storm, type RoundOptions } from './storm.ts'

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
/** Not a claim about speed: the end of a round that does not come to its end. */
const SETTLE_MS = 400_000

export class Round {
  readonly #options: RoundOptions
  readonly #prefix: string
  readonly #brokers: string[]
  readonly #reader = new Reader()
  readonly #database: string
  readonly #directory = mkdtempSync(join(tmpdir(), 'sluice-chaos-'))
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
      const faults = await new Storm(this.#options, {
        prefix: this.#prefix,
        database: this.#database,
        fleet,
        sink,
      }).run()
      fleet.open()
      say(`round ${this.#options.round}: all faults done, ${faults}; waiting for the end of the log`)
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
