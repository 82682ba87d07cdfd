/** Several tickers over one log: one ticks, the others watch, one of them goes on, and a clock that is ahead is refused. */
import { afterEach, expect, test } from 'vitest'
import { StandbyTicker, type StandbyOptions } from '../../intake/ticker-standby.ts'
import { lastTick } from '../../intake/ticker.ts'
import { openMemory } from '../../streams/memory/index.ts'

const topic = 'transactions'
const open: StandbyTicker[] = []
afterEach(async () => {
  for (const ticker of open.splice(0)) await ticker.close()
})

const world = async () => {
  const backend = openMemory()
  await backend.log.createTopics([{ name: topic, partitions: 2 }])
  const failures: Error[] = []
  const start = async (aheadMs = 0): Promise<StandbyTicker> => {
    const options: StandbyOptions = {
      log: backend.log,
      topic,
      clock: { now: () => Date.now() + aheadMs },
      kind: 'WALL',
      everyMs: 10,
      idleEveryMs: 20,
      maxSkewMs: 100,
    }
    const ticker = await StandbyTicker.open(options, (error) => failures.push(error))
    open.push(ticker)
    return ticker
  }
  return { ...backend, start, failures }
}
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const until = async (what: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await what())) await sleep(5)
}

test('of two one ticks; when it ends the other goes on, and time never goes back', async () => {
  const { start, log } = await world()
  const first = await start()
  const second = await start()
  expect([first.ticking, second.ticking]).toEqual([true, false])
  const before = (await lastTick(log, topic)) as number
  await first.close()
  await until(() => second.ticking)
  await until(async () => ((await lastTick(log, topic)) as number) > before)
})

test('of several that begin at once one is left that ticks', async () => {
  const { start, log } = await world()
  const all = await Promise.all([start(), start(), start()])
  await until(() => all.filter(({ ticking }) => ticking).length === 1)
  const before = (await lastTick(log, topic)) as number
  await until(async () => ((await lastTick(log, topic)) as number) > before + 50)
  expect(all.filter(({ ticking }) => ticking)).toHaveLength(1)
})

test('who is ahead of the one that ticks is refused, and who is behind only watches', async () => {
  const { start } = await world()
  await start()
  await expect(start(60_000)).rejects.toMatchObject({ code: 'SLUICE_TICKER_AHEAD' })
  expect((await start(-60_000)).ticking).toBe(false)
})

test('one that is fenced from outside watches, and says nothing of it', async () => {
  const { start, log, failures } = await world()
  const ticker = await start()
  const stranger = await log.writer('ticker')
  await until(() => !ticker.ticking)
  await stranger.close()
  await until(() => ticker.ticking)
  expect(failures).toEqual([])
})
