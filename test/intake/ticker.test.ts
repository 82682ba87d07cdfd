/** The ticker over the real embedded log: ticks into every partition, clocks that step back, two tickers that compare. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { lastTick, Ticker, TickerError, type TickerOptions } from '../../intake/ticker.ts'
import { tickOf, tickValue } from '../../intake/wire.ts'
import { openEmbedded, type EmbeddedBackend } from '../../streams/embedded/index.ts'
import { newFrame, RecordBatchWriter, walk } from '../../streams/records.ts'
import { now } from './fake-ports.ts'

const topic = 'transactions'
let directory: string
let backend: EmbeddedBackend
const tickers: Ticker[] = []

/** A clock by hand. */
class HandClock {
  at = now
  now(): number {
    return this.at
  }
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-ticker-'))
  backend = await openEmbedded({ directory, logicVersion: '1', ruleVersion: '1' })
  await backend.log.createTopics([{ name: topic, partitions: 3 }])
})
afterEach(async () => {
  for (const ticker of tickers.splice(0)) await ticker.close()
  await backend.close()
  rmSync(directory, { recursive: true, force: true })
})

async function open(clock: HandClock, options: Partial<TickerOptions> = {}): Promise<Ticker> {
  const ticker = await Ticker.open({
    log: backend.log,
    topic,
    clock,
    kind: 'WALL',
    everyMs: 250,
    maxSkewMs: 1000,
    ...options,
  })
  tickers.push(ticker)
  return ticker
}

/** Instants of the ticks in one partition, in log order. */
async function ticks(partition: number): Promise<number[]> {
  const frame = newFrame(16)
  const found: number[] = []
  const { end } = await backend.log.bounds({ topic, partition })
  for (let offset = 0; offset < end;) {
    const { bytes, nextOffset } = await backend.log.read({ topic, partition }, offset, 1 << 20, 0)
    walk(bytes, offset, frame)
    for (let row = 0; row < frame.rows; row++) {
      const tick = tickOf(bytes.subarray(frame.valueOffsets[row], frame.valueEnds[row]))
      if (tick !== null) found.push(tick)
    }
    offset = nextOffset
  }
  return found
}

/** Appends records as an import would: `rows` of them, the last a tick when `tick` is given. */
async function append(partition: number, rows: number, tick: number | null): Promise<void> {
  const writer = await backend.log.writer('import')
  const batch = new RecordBatchWriter()
  batch.begin(now)
  for (let i = 0; i < rows; i++) batch.append(now, Buffer.from('k'), 0, 1, Buffer.from(`row ${i}`))
  if (tick !== null) batch.append(tick, null, 0, 0, tickValue(tick, 'FILES'))
  await writer.commit({ appends: [{ topic, partition, batches: batch.finish() }], position: 0, metadata: '' })
  await writer.close()
}

test('a tick goes into every partition, never back, never twice', async () => {
  const clock = new HandClock()
  const ticker = await open(clock)
  expect(await ticker.tick()).toBe(true)
  expect(await ticker.tick()).toBe(false)
  clock.at += 250
  expect(await ticker.tick()).toBe(true)
  for (let partition = 0; partition < 3; partition++) expect(await ticks(partition)).toEqual([now, now + 250])
})

test('a clock that steps back stalls, says so once, and goes on where it was', async () => {
  const clock = new HandClock()
  const said: number[] = []
  const ticker = await open(clock, { onStall: (behindMs) => said.push(behindMs) })
  await ticker.tick()
  clock.at -= 10_000
  for (let i = 0; i < 3; i++) expect(await ticker.tick()).toBe(false)
  expect([said, ticker.behindMs]).toEqual([[10_000], 10_000])
  clock.at = now + 1
  expect(await ticker.tick()).toBe(true)
  expect(said).toEqual([10_000, 0])
  expect(await ticks(0)).toEqual([now, now + 1])
})

test('a small step back is not worth a word, and writes nothing', async () => {
  const clock = new HandClock()
  const said: number[] = []
  const ticker = await open(clock, { onStall: (behindMs) => said.push(behindMs) })
  await ticker.tick()
  clock.at -= 200
  expect(await ticker.tick()).toBe(false)
  expect(said).toEqual([])
})

describe('the last tick in the log', () => {
  test('none in an empty log', async () => expect(await lastTick(backend.log, topic)).toBeNull())

  test('the largest over all partitions, also far from the end', async () => {
    await append(0, 3, now)
    await append(1, 3, now + 5)
    await append(1, 9_000, null)
    expect(await lastTick(backend.log, topic)).toBe(now + 5)
  })

  test('a restarted ticker goes on after it', async () => {
    const clock = new HandClock()
    const first = await open(clock)
    await first.tick()
    await first.close()
    clock.at -= 500
    const second = await open(clock)
    expect(second.last).toBe(now)
    expect(await second.tick()).toBe(false)
  })

  test('a log that is further ahead than the skew is refused', async () => {
    await append(0, 1, now + 1_001)
    await expect(open(new HandClock())).rejects.toMatchObject({ code: 'SLUICE_TICKER_BEHIND' })
    await append(1, 1, null)
    const clock = new HandClock()
    clock.at += 1
    expect((await open(clock)).last).toBe(now + 1_001)
  })
})

describe('two tickers', () => {
  /** Opens a second ticker whose clock differs, while the first goes on ticking every 20 ms. */
  async function second(aheadMs: number): Promise<{ other: Ticker | TickerError; firstLives: boolean }> {
    const clock = new HandClock()
    const running = await open(clock, { everyMs: 20 })
    const timer = setInterval(() => (clock.at += 20), 20)
    running.start(() => {})
    const ahead = { now: (): number => clock.at + aheadMs }
    const opening = Ticker.open({
      log: backend.log,
      topic,
      clock: ahead,
      kind: 'WALL',
      everyMs: 20,
      maxSkewMs: 1000,
      watchMs: 200,
    })
    const other = await opening.catch((error: TickerError) => error)
    if (other instanceof Ticker) tickers.push(other)
    const before = (await ticks(0)).length
    await new Promise((resolve) => setTimeout(resolve, 200))
    const firstLives = (await ticks(0)).length > before
    clearInterval(timer)
    return { other, firstLives }
  }

  test('one that is ahead of the living one is refused, and the living one lives on', async () => {
    const { other, firstLives } = await second(60_000)
    expect(other).toBeInstanceOf(TickerError)
    expect(other).toMatchObject({ code: 'SLUICE_TICKER_AHEAD' })
    expect(firstLives).toBe(true)
  })

  test('one that agrees takes over', async () => {
    const { other, firstLives } = await second(500)
    expect(other).toBeInstanceOf(Ticker)
    expect(firstLives).toBe(false)
  })

  test('a dead one is no measure: a day later is fine', async () => {
    const clock = new HandClock()
    const first = await open(clock)
    await first.tick()
    await first.close()
    clock.at += 86_400_000
    const next = await open(clock, { watchMs: 50 })
    expect(await next.tick()).toBe(true)
  })

  test('the one that was taken over from is told, and stops', async () => {
    const clock = new HandClock()
    const first = await open(clock, { everyMs: 10 })
    const failed = Promise.withResolvers<Error>()
    first.start((error) => failed.resolve(error))
    await open(clock)
    clock.at += 1000
    expect((await failed.promise).message).toContain('SLUICE_FENCED')
  })
})

test('while nothing comes in it ticks less often, and wakes up with the first record', async () => {
  const clock = new HandClock()
  const timer = setInterval(() => (clock.at += 10), 10)
  const ticker = await open(clock, { everyMs: 20, idleEveryMs: 60_000 })
  ticker.start((error) => {
    throw error
  })
  await new Promise((resolve) => setTimeout(resolve, 300))
  const idle = (await ticks(0)).length
  expect(idle).toBe(1)
  await append(1, 1, null)
  for (let i = 0; i < 300 && (await ticks(0)).length === idle; i++)
    await new Promise((resolve) => setTimeout(resolve, 10))
  expect((await ticks(0)).length).toBe(idle + 1)
  clearInterval(timer)
})
