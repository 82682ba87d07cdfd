/** Rows in ClickHouse are the records of the log, each once: whoever writes, however often, whatever is killed. */
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { openMemory, type MemoryBackend } from '../../streams/memory/index.ts'
import { Sink, type SinkOptions } from '../../sink/sink.ts'
import { Feed, deduplicationSettings } from '../../sink/feed.ts'
import { BlockCutter, type Block } from '../../sink/blocks.ts'
import { fedTopics } from '../../sink/topics.ts'
import { temporaryDirectory, until } from './temporary.ts'
import { alert, encoded, makeTopics, noon, openWarehouse, Outputs } from './world.ts'

const warehouse = await openWarehouse(temporaryDirectory('sink'))
const { server, admin } = warehouse
afterAll(() => warehouse.close())
const alerts = fedTopics.filter(({ name }) => name === 'alerts')

let backend: MemoryBackend
let outputs: Outputs
beforeEach(async () => {
  await warehouse.empty()
  backend = openMemory()
  outputs = new Outputs(backend.log)
  await makeTopics(backend.log, 2)
  return () => backend.close()
})

const sinkOf = (options: Partial<SinkOptions> = {}): Sink =>
  new Sink({ log: backend.log, clickHouse: admin, topics: alerts, maxRows: 100, ...options })

/** What stands in the table of alerts, per task. */
const rows = (): Promise<unknown[]> =>
  admin.rows(`SELECT _src_task AS task, count() AS rows, uniqExact(_src_seq) AS unique, max(_src_seq) AS high,
    uniqExact(_blk) AS blocks FROM alerts GROUP BY task ORDER BY task`)
const many = (count: number, from = 0): ReturnType<typeof alert>[] =>
  Array.from({ length: count }, (_, i) => alert({ transactionId: `P${from + i}`, score: i }))

describe('blocks', () => {
  test('are cut at marks, at the most rows and at a new month; what is after the last cut waits', async () => {
    const february = Date.UTC(2026, 1, 1)
    outputs
      .add('alerts', 0, ...many(250))
      .mark('alerts', 0)
      .mark('alerts', 0)
    outputs.add('alerts', 0, ...many(3)).add('alerts', 0, alert({ logicalTime: february }))
    outputs.mark('alerts', 0).add('alerts', 0, ...many(7).map((value) => ({ ...value, logicalTime: february })))
    outputs.add('alerts', 1, ...many(100)).mark('alerts', 1)
    await outputs.commit()
    const sink = sinkOf()
    await sink.start()
    expect(await sink.flush()).toBe(7)
    const blocks = await admin.rows<object>(
      'SELECT _src_task AS task, _blk AS first, any(_blk_rows) AS rows, uniqExact(_part) AS parts FROM alerts GROUP BY task, first ORDER BY task, first',
    )
    expect(blocks.map((block) => Object.values(block))).toEqual([
      [0, '0', 100, '1'],
      [0, '100', 100, '1'],
      [0, '200', 50, '1'],
      [0, '250', 3, '1'],
      [0, '253', 1, '1'],
      [1, '0', 100, '1'],
    ])
    expect(await sink.audit()).toMatchObject({ ok: true, tables: [{ rows: 354, unique: 354, expected: 354 }] })
    outputs.mark('alerts', 0)
    await outputs.commit()
    expect(await sink.flush()).toBe(0)
    expect(await rows()).toMatchObject([{ rows: '261' }, { rows: '100' }])
    await sink.stop()
  })

  test('a sink that begins anew goes on where ClickHouse ends, in the middle of the log', async () => {
    for (let i = 0; i < 5; i++) {
      outputs.add('alerts', 0, ...many(130, i * 130)).mark('alerts', 0)
      await outputs.commit()
      const sink = sinkOf()
      await sink.start()
      expect(await sink.flush()).toBe(0)
      expect(sink.lag()[0]).toMatchObject({ insertedRows: (i + 1) * 130, blocks: 2, dropped: 0, behind: 0 })
      await sink.stop()
    }
    expect(await rows()).toEqual([{ task: 0, rows: '650', unique: '650', high: '649', blocks: '10' }])
  })
})

describe('exactly once', () => {
  test('two sinks at the same time, and one after them, give every row once', async () => {
    const sinks = [sinkOf(), sinkOf(), sinkOf()]
    for (const sink of sinks.slice(0, 2)) {
      await sink.start()
      await sink.flush()
    }
    outputs
      .add('alerts', 0, ...many(2_000))
      .add('alerts', 1, ...many(1_500))
      .mark('alerts', 0)
      .mark('alerts', 1)
    await outputs.commit()
    await Promise.all(sinks.slice(0, 2).map((sink) => sink.flush()))
    await sinks[2].start()
    await sinks[2].flush()
    expect(await rows()).toMatchObject([
      { rows: '2000', unique: '2000' },
      { rows: '1500', unique: '1500' },
    ])
    for (const sink of sinks) {
      expect((await sink.audit()).ok).toBe(true)
      await sink.stop()
    }
  })

  test('the server is killed again and again in the middle of inserts: nothing is lost, nothing is there twice', async () => {
    outputs
      .add('alerts', 0, ...many(6_000))
      .add('alerts', 1, ...many(6_000))
      .mark('alerts', 0)
      .mark('alerts', 1)
    await outputs.commit()
    let retries = 0
    const sink = sinkOf({ maxRows: 50, onRetry: () => retries++ })
    await sink.start()
    let kills = 0
    for (let i = 1; i <= 8; i++) {
      // Spread over the run: each kill waits for progress since the last one.
      const before = sink.lag().reduce((sum, { blocks }) => sum + blocks, 0)
      const target = Math.min(220, before + 12)
      await until('progress', () => sink.lag().reduce((sum, { blocks }) => sum + blocks, 0) >= target)
      const { restarts } = server
      process.kill(server.pid!, 'SIGKILL')
      kills++
      await until('started again', () => server.restarts > restarts && server.pid !== null)
    }
    expect(await sink.flush()).toBe(0)
    expect(kills).toBe(8)
    expect(retries, 'kills that nobody noticed prove nothing').toBeGreaterThan(0)
    const audit = await sink.audit()
    expect(audit.findings).toEqual([])
    expect(audit.tables).toEqual([{ table: 'alerts', rows: 12_000, unique: 12_000, expected: 12_000, blocks: 240 }])
    await sink.stop()
  })

  test('a zombie that wakes up after the window has forgotten its token adds nothing', async () => {
    await admin.command('ALTER TABLE alerts MODIFY SETTING non_replicated_deduplication_window = 2')
    const blocks = await blocksOf(300)
    const feed = new Feed(alerts[0])
    const { on } = await deduplicationSettings(admin)
    const send = (block: Block, guard = true): Promise<void> =>
      feed.insert(admin, 'topic', 0, block, { token: true, guard }, on)
    for (const block of blocks) await send(block)
    await send(blocks[0])
    expect(await rows()).toMatchObject([{ rows: '300', unique: '300' }])
    // The same without the guard is what the guard is for.
    await send(blocks[0], false)
    expect(await rows()).toMatchObject([{ rows: '400', unique: '300' }])
  })

  test('copies of one block that race are one block', async () => {
    const [block] = await blocksOf(100)
    const feed = new Feed(alerts[0])
    const { on } = await deduplicationSettings(admin)
    const both = { token: true, guard: true }
    await Promise.all(Array.from({ length: 20 }, () => feed.insert(admin, 'topic', 0, block, both, on)))
    expect(await rows()).toMatchObject([{ rows: '100', unique: '100' }])
  })

  test('negative control: without token and guard the audit reports what two sinks did', async () => {
    const safety = { token: false, guard: false }
    const sinks = [sinkOf({ safety }), sinkOf({ safety })]
    for (const sink of sinks) {
      await sink.start()
      // Through an empty log: it has asked ClickHouse where to begin, and begins at 0 like the other.
      await sink.flush()
    }
    outputs.add('alerts', 0, ...many(1_000)).mark('alerts', 0)
    await outputs.commit()
    await Promise.all(sinks.map((sink) => sink.flush()))
    const audit = await sinks[0].audit()
    expect(audit.ok).toBe(false)
    expect(audit.tables[0]).toMatchObject({ rows: 2_000, unique: 1_000 })
    expect(audit.findings).toHaveLength(10)
    expect(audit.findings[0]).toMatchObject({ kind: 'duplicate', firstSeq: 0, lastSeq: 99 })
    await Promise.all(sinks.map((sink) => sink.stop()))
    // Nobody goes on over it.
    await expect(sinkOf().start()).rejects.toMatchObject({ code: 'SLUICE_SINK_AUDIT' })
  })
})

describe('rows that ClickHouse has lost', () => {
  const lose = (block: number): Promise<void> =>
    admin.command(`ALTER TABLE alerts DELETE WHERE _blk = ${block} SETTINGS mutations_sync = 1`)

  test('a block in the middle is reported, and the next start inserts it again', async () => {
    outputs.add('alerts', 0, ...many(1_000)).mark('alerts', 0)
    await outputs.commit()
    const first = sinkOf()
    await first.start()
    await first.flush()
    await lose(300)
    const { ok, findings } = await first.audit()
    expect(ok).toBe(false)
    expect(findings).toMatchObject([{ kind: 'missing', table: 'alerts', task: 0, firstSeq: 300, lastSeq: 399 }])
    await first.stop()
    const second = sinkOf()
    await second.start()
    await second.flush()
    expect(await second.audit()).toMatchObject({ ok: true, tables: [{ rows: 1_000, unique: 1_000, blocks: 10 }] })
    await second.stop()
  })

  test('the newest block comes again although its token is remembered', async () => {
    outputs.add('alerts', 0, ...many(300)).mark('alerts', 0)
    await outputs.commit()
    const first = sinkOf()
    await first.start()
    await first.flush()
    await first.stop()
    await lose(200)
    outputs.add('alerts', 0, ...many(100)).mark('alerts', 0)
    await outputs.commit()
    const second = sinkOf()
    await second.start()
    await second.flush()
    expect(await rows()).toEqual([{ task: 0, rows: '400', unique: '400', high: '399', blocks: '4' }])
    await second.stop()
  })
})

describe('a log that does not fit', () => {
  const halted = async (options: Partial<SinkOptions> = {}): Promise<Error> => {
    const sink = sinkOf(options)
    await sink.start()
    await until('halt', () => sink.failure !== null)
    await expect(sink.flush()).rejects.toBe(sink.failure)
    await sink.stop()
    return sink.failure!
  }

  test('a number that comes twice is dropped and counted', async () => {
    outputs.add('alerts', 0, ...many(100))
    await outputs.commit()
    outputs.raw('alerts', 0, encoded('alerts', { ...alert(), task: 0, seq: 99, logicalTime: noon })).mark('alerts', 0)
    await outputs.commit()
    const sink = sinkOf()
    await sink.start()
    expect(await sink.flush()).toBe(0)
    expect(sink.lag()[0]).toMatchObject({ dropped: 1, insertedRows: 100 })
    await sink.stop()
  })

  test('a gap halts; what is before it is there, nothing behind it', async () => {
    outputs
      .add('alerts', 0, ...many(100))
      .raw('alerts', 0, encoded('alerts', { ...alert(), task: 0, seq: 101, logicalTime: noon }))
    await outputs.commit()
    expect(await halted()).toMatchObject({
      code: 'SLUICE_SINK_GAP',
      message: expect.stringContaining('alerts/0, offset 100'),
    })
    expect(await rows()).toMatchObject([{ rows: '100', high: '99' }])
  })

  test('a record of another schema, a damaged one and one of another task halt with where they stand', async () => {
    for (const value of [
      encoded('settlements', {
        cycleStart: noon,
        cycleLengthMs: 1,
        currency: 'EUR',
        count: 0,
        gross: 0n,
        onUsCount: 0,
        onUs: 0n,
        net: 0n,
        bilateral: [],
        positions: [],
        task: 0,
        seq: 0,
        logicalTime: noon,
      }),
      encoded('alerts', { ...alert(), task: 0, seq: 0, logicalTime: noon }).subarray(0, 40),
      encoded('alerts', { ...alert(), task: 1, seq: 0, logicalTime: noon }),
    ]) {
      await warehouse.empty()
      await backend.close()
      backend = openMemory()
      await makeTopics(backend.log, 2)
      outputs = new Outputs(backend.log).raw('alerts', 0, value)
      await outputs.commit()
      expect(await halted()).toMatchObject({
        code: 'SLUICE_SINK_RECORD',
        message: expect.stringContaining('alerts/0, offset 0'),
      })
    }
  })

  test('tables filled from another log are refused', async () => {
    const first = sinkOf()
    await first.start()
    await first.stop()
    await backend.close()
    backend = openMemory()
    await makeTopics(backend.log, 2)
    await expect(sinkOf().start()).rejects.toMatchObject({ code: 'SLUICE_SINK_OTHER_LOG' })
  })

  test('a log that begins after what ClickHouse needs halts', async () => {
    for (let i = 0; i < 4; i++) {
      outputs.add('alerts', 0, ...many(100)).mark('alerts', 0)
      await outputs.commit()
    }
    backend.trim({ topic: 'alerts', partition: 0 }, 250)
    expect(await halted()).toMatchObject({ code: 'SLUICE_SINK_RETENTION' })
  })
})

async function blocksOf(count: number): Promise<Block[]> {
  const feed = new Feed(alerts[0])
  const blocks: Block[] = []
  const cutter = new BlockCutter(feed.writer, 100)
  for (const [seq, value] of many(count).entries()) {
    const bytes = encoded('alerts', { ...value, task: 0, seq, logicalTime: noon })
    cutter.row(seq, noon, bytes, 5, bytes.length, seq, (block) => blocks.push(block))
  }
  return blocks
}
