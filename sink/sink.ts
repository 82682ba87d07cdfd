/**
 * The sink: every topic that feeds a table, from the log into ClickHouse, each row once.
 *
 * Owned: reading the topics, the INSERTs, the audit. Not owned: the server (server.ts) and the tables (migrations.ts).
 * X1  Rows in ClickHouse are the records with numbers in [0, H) of each task, each once; H is at a cut (PROTOCOL, I11).
 * X2  A second writer, a late one and a retry change nothing: token and guard (feed.ts).
 * X3  Tables belong to one log: topic ids and partitions are remembered beside them.
 */
import type { Log, TopicPartition } from '../streams/backend.ts'
import { newFrame } from '../streams/records.ts'
import { audit, type Audit, type Finding } from './audit.ts'
import type { ClickHouse } from './clickhouse.ts'
import { SinkError } from './errors.ts'
import { deduplicationSettings, Feed, type FedTopic, type Safety } from './feed.ts'
import type { SinkObserver } from './observer.ts'
import { Pump, type Lag, type PumpWorld } from './pump.ts'
import { BlockReader } from './reader.ts'
import { Turnstile, untilDone } from './retry.ts'
import { seekSeq } from './seek.ts'

export interface SinkOptions {
  readonly log: Log
  /** Connected to the database of the tables, as a user who may write. */
  readonly clickHouse: ClickHouse
  readonly topics: readonly FedTopic[]
  /** Most rows of a block; the log's setting insertBlockRows. Default 50,000. */
  readonly maxRows?: number
  /** INSERTs under way at a time; default 2. */
  readonly parallel?: number
  /** Told when a pump meets something that is not to be tried again: nothing more is inserted. */
  readonly onHalt?: (error: Error) => void
  /** Told of every call that failed and is tried again. */
  readonly onRetry?: (error: SinkError, tries: number) => void
  readonly observer?: SinkObserver
  /** Audit at the start and insert what is missing again; default true. */
  readonly auditAtStart?: boolean
  /** Lets one process at a time audit and repair; absent: there is only this one. */
  readonly exclusive?: <T>(work: () => Promise<T>) => Promise<T>
  /** Both on. Off only for a negative control. */
  readonly safety?: Safety
}

/** End of the log per topic and partition: what `flush` waits for. */
export type LogEnds = readonly (TopicPartition & { readonly end: number })[]

export class Sink {
  private readonly options: SinkOptions
  private readonly pumps: Pump[] = []
  private readonly abort = new AbortController()
  private running: Promise<void> = Promise.resolve()
  private halted: Error | null = null
  private deduplication: PumpWorld['deduplication'] = { on: {}, off: {} }
  private topicIds = new Map<string, string>()
  private readonly feeds: readonly Feed[]

  constructor(options: SinkOptions) {
    this.options = options
    this.feeds = options.topics.map((topic) => new Feed(topic))
  }

  /** Why it stopped by itself; null while it runs. */
  get failure(): Error | null {
    return this.halted
  }

  /** Checks tables and log, repairs what is missing, and starts the pumps. Errors: SLUICE_SINK_TABLE, _OTHER_LOG, _AUDIT. */
  async start(): Promise<void> {
    const { log, clickHouse } = this.options
    const onRetry = (error: SinkError, tries: number): void => this.options.onRetry?.(error, tries)
    const partitions = await untilDone(() => this.prepare(), { signal: this.abort.signal, onRetry })
    const world: PumpWorld = {
      log,
      clickHouse,
      turnstile: new Turnstile(this.options.parallel ?? 2),
      frame: newFrame(4_096),
      safety: this.options.safety ?? { token: true, guard: true },
      deduplication: this.deduplication,
      maxRows: this.options.maxRows ?? 50_000,
      signal: this.abort.signal,
      onRetry,
      observer: this.options.observer ?? null,
    }
    for (const feed of this.feeds) {
      const { name } = feed.topic
      for (let partition = 0; partition < (partitions.get(name) ?? 0); partition++) {
        this.pumps.push(new Pump(world, feed, { topic: name, partition }, this.topicIds.get(name) ?? ''))
      }
    }
    this.running = Promise.all(this.pumps.map((pump) => pump.run())).then(
      () => {},
      (error: unknown) => this.halt(error),
    )
  }

  /**
   * Resolves when everything before these ends (default: the ends of the log now) is read and every block that is cut from
   * it is in ClickHouse. The result is the number of records after the last cut: 0 when the log ends with a mark. Errors:
   * the failure that halted the sink.
   */
  async flush(ends?: LogEnds): Promise<number> {
    const targets = new Map((ends ?? (await this.ends())).map((at) => [`${at.topic}/${at.partition}`, at.end]))
    for (;;) {
      if (this.halted !== null) throw this.halted
      if (this.abort.signal.aborted) throw new Error('the sink was stopped before everything was inserted')
      if (this.pumps.every((pump) => pump.isThrough(targets.get(`${pump.at.topic}/${pump.at.partition}`) ?? 0))) break
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return this.lag().reduce((open, { openRows }) => open + openRows, 0)
  }

  lag(): Lag[] {
    return this.pumps.map((pump) => pump.lag())
  }

  /** Audits every table against itself and against what the pumps have inserted. */
  audit(): Promise<Audit> {
    return audit(
      this.options.clickHouse,
      this.feeds.map((feed) => ({
        table: feed.topic.table,
        upTo: new Map(
          this.pumps.filter((pump) => pump.feed === feed).map((pump) => [pump.at.partition, pump.lag().insertedRows]),
        ),
      })),
    )
  }

  /**
   * Inserts missing blocks again, from the log: without token (ClickHouse remembers the one of the rows it lost) and
   * without guard (there are rows behind them). The caller makes sure that nobody else repairs at the same time. Errors:
   * SLUICE_SINK_AUDIT for findings other than missing blocks, SLUICE_SINK_RETENTION.
   */
  async repair(findings: readonly Finding[]): Promise<void> {
    const other = findings.find(({ kind }) => kind !== 'missing')
    if (other !== undefined) throw new SinkError('SLUICE_SINK_AUDIT', `${other.text}.`)
    for (const finding of findings) {
      const feed = this.feeds.find(({ topic }) => topic.table === finding.table)
      if (feed !== undefined) await this.insertAgain(feed, finding)
    }
  }

  /** Stops after the INSERTs that are under way. */
  async stop(): Promise<void> {
    this.abort.abort()
    await this.running
  }

  private async insertAgain(feed: Feed, { task, firstSeq, lastSeq }: Finding): Promise<void> {
    const { log, clickHouse, maxRows } = this.options
    const at = { topic: feed.topic.name, partition: task }
    const frame = newFrame(4_096)
    const reader = new BlockReader(at, feed, maxRows ?? 50_000, firstSeq, await seekSeq(log, at, firstSeq, frame))
    const { end } = await log.bounds(at)
    for (let done = false; !done && reader.offset < end;) {
      const blocks: Parameters<Parameters<BlockReader['take']>[2]>[0][] = []
      reader.take(await log.read(at, reader.offset, 1 << 20, 0), frame, (block) => blocks.push(block))
      for (const block of blocks) {
        if (block.firstSeq > lastSeq) done = true
        if (done) break
        const none = { token: false, guard: false }
        await feed.insert(clickHouse, this.topicIds.get(at.topic) ?? '', task, block, none, this.deduplication.off)
      }
    }
  }

  private async auditAndRepair(): Promise<void> {
    const tables = this.feeds.map((feed) => ({ table: feed.topic.table, upTo: new Map<number, number>() }))
    const before = await audit(this.options.clickHouse, tables)
    if (before.ok) return
    await this.repair(before.findings)
    const after = await audit(this.options.clickHouse, tables)
    if (!after.ok) throw new SinkError('SLUICE_SINK_AUDIT', `After a repair: ${after.findings[0].text}.`)
  }

  /** What comes before the first pump; may be done again when ClickHouse goes away in the middle. */
  private async prepare(): Promise<Map<string, number>> {
    const { clickHouse } = this.options
    this.deduplication = await deduplicationSettings(clickHouse)
    for (const feed of this.feeds) await feed.check(clickHouse)
    const partitions = await this.checkSources()
    const { exclusive, auditAtStart = true } = this.options
    const repair = (): Promise<void> => this.auditAndRepair()
    if (auditAtStart) await (exclusive === undefined ? repair() : exclusive(repair))
    return partitions
  }

  /** Number of partitions per topic, after a look that the tables were filled from these topics and no others. */
  private async checkSources(): Promise<Map<string, number>> {
    const { log, clickHouse } = this.options
    const recorded = await clickHouse.rows<{ topic: string; topicId: string; partitions: number }>(
      'SELECT topic, topicId, partitions FROM _sources',
    )
    const counts = new Map<string, number>()
    for (const { topic } of this.feeds) {
      const topicId = await log.topicId(topic.name)
      const partitions = await log.partitions(topic.name)
      const before = recorded.find((source) => source.topic === topic.name)
      if (before !== undefined && (before.topicId !== topicId || Number(before.partitions) !== partitions)) {
        const what = `${topic.name} was ${before.topicId} with ${before.partitions} partitions, is ${topicId} with ${partitions}.`
        throw new SinkError('SLUICE_SINK_OTHER_LOG', what)
      }
      if (before === undefined) {
        await clickHouse.command(
          `INSERT INTO _sources SETTINGS async_insert = 0 VALUES ('${topic.name}', '${topicId.replaceAll("'", '')}', ${partitions})`,
        )
      }
      this.topicIds.set(topic.name, topicId)
      counts.set(topic.name, partitions)
    }
    return counts
  }

  private async ends(): Promise<LogEnds> {
    return Promise.all(this.pumps.map(async ({ at }) => ({ ...at, end: (await this.options.log.bounds(at)).end })))
  }

  private halt(error: unknown): void {
    if (this.abort.signal.aborted) return
    this.halted = error instanceof Error ? error : new Error(String(error))
    this.abort.abort()
    this.options.onHalt?.(this.halted)
  }
}
