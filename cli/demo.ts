/** demo: generated payments settle in a browser, in simulated time; what `npm start` runs. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LogAppender } from '../intake/http/append.ts'
import { generate, type Generated } from '../intake/generator.ts'
import { topics } from '../schemas/topics.ts'
import { DemoFeed } from './demo-feed.ts'
import { Engine, openDirectory, type EmbeddedLine } from './engine.ts'
import { openLive } from './live/live.ts'
import { anyBank, putMembers } from './members.ts'
import { settingsOf, type SettingOptions } from './options.ts'
import { exitCodes, print, printJson, say, sheetText, UsageError } from './output.ts'
import { sheetOf } from './sheet.ts'
import { stopping } from './signals.ts'
import { openTables, type Tables } from './tables.ts'

export interface DemoOptions extends SettingOptions {
  readonly payments?: number
  readonly exit?: boolean
  readonly seed: number
  readonly speed: number
  readonly port: number
  readonly data?: string
  readonly clickhouse: boolean
  readonly showAccounts?: boolean
  readonly json?: boolean
}

/** Simulated time begins here, two minutes before the end of a cycle: the first settlement is seconds away. */
const START = Date.UTC(2026, 0, 5, 10, 3)
/** Payments per simulated second: at 60-fold speed some 200 a second, enough to see and little enough to follow. */
const RATE = 3.5
/** With --exit: more payments per cycle, so that a short run is about payments and not about cycles. */
const EXIT_RATE = 50

/** Runs until the payments end and, without --exit, until it is told to stop. */
export async function demo(options: DemoOptions): Promise<number> {
  if (options.exit === true && options.payments === undefined) {
    throw new UsageError('--exit needs --payments: the demo has no end of its own.')
  }
  const temporary = options.data === undefined
  const directory = options.data ?? (await mkdtemp(join(tmpdir(), 'sluice-demo-')))
  const line = await openDirectory({ directory, settings: settingsOf(options) })
  try {
    return await runDemo(line, options)
  } finally {
    await line.backend.close()
    if (temporary) await rm(directory, { recursive: true, force: true })
  }
}

async function runDemo(line: EmbeddedLine, options: DemoOptions): Promise<number> {
  const { exit = false } = options
  const engine = new Engine(line)
  let tables: Tables | null = null
  const stop = stopping(() => process.exit(130))
  try {
    await engine.start()
    await engine.caughtUp()
    // A directory that was used before goes on where its clock stands.
    const start = Math.max(START, engine.closedThrough())
    await putMembers(engine, anyBank, start)
    say(
      `Simulated time from ${new Date(start).toISOString()}${exit ? ', as fast as it goes' : `, ${options.speed} times as fast`}.`,
    )
    say('Every bank counts as a member (--members any).')
    if (options.clickhouse) tables = await openTables(line, { say })
    const began = performance.now()
    const feed = new DemoFeed(engine, paymentsOf(options, start), start)
    const code = exit
      ? await toTheEnd(engine, tables, feed, options, began)
      : await inTheBrowser(line, engine, tables, feed, options, stop.asked)
    await engine.stop()
    return code
  } finally {
    stop.end()
    await engine.stop().catch(() => undefined)
    await tables?.close()
  }
}

/** Generated payments from `start` on; their ids carry the start, so that a directory can be used again. */
function* paymentsOf({ seed, payments, exit }: DemoOptions, start: number): Generator<Generated, void> {
  const items = generate({
    seed,
    payments: payments ?? Number.MAX_SAFE_INTEGER,
    start,
    daily: false,
    paymentsPerSecond: exit === true ? EXIT_RATE : RATE,
    disorderMs: 1_500,
    duplicateShare: 0.01,
    conflictShare: 0.002,
    returnShare: 0.02,
    returnDelayMs: 600_000,
  })
  const prefix = `${(start / 1000).toString(36)}-`
  for (const item of items) {
    const { transactionId, originalTransactionId } = item.transaction
    const original = originalTransactionId === null ? null : prefix + originalTransactionId
    const transaction = { ...item.transaction, transactionId: prefix + transactionId, originalTransactionId: original }
    yield { ...item, transaction }
  }
}

async function toTheEnd(
  engine: Engine,
  tables: Tables | null,
  feed: DemoFeed,
  options: DemoOptions,
  began: number,
): Promise<number> {
  await feed.run(null, () => false)
  await engine.caughtUp()
  await tables?.flush()
  const sheet = await sheetOf(engine, (performance.now() - began) / 1000)
  if (options.json === true) printJson(sheet)
  else print(sheetText(sheet))
  return sheet.balanced ? exitCodes.ok : exitCodes.failed
}

async function inTheBrowser(
  line: EmbeddedLine,
  engine: Engine,
  tables: Tables | null,
  feed: DemoFeed,
  options: DemoOptions,
  asked: Promise<string>,
): Promise<number> {
  const intake = await LogAppender.open({ log: line.backend.log, topic: topics.transactions.name })
  const live = await openLive({
    engine,
    tables,
    intake,
    clock: { kind: 'SIMULATED', now: () => feed.now, speed: options.speed },
    title: 'Demo: generated payments in simulated time',
    port: options.port,
    showAccounts: options.showAccounts,
    onError: (error) => say(`sluice: ${error.message}`),
  })
  line.backend.setEndpoint(live.endpoint)
  say(`Page      ${live.url}`)
  say('Stop with Ctrl-C.')
  let stopped = false
  const signal = asked.then((name) => {
    stopped = true
    return name
  })
  try {
    await feed.run(options.speed, () => stopped)
    if (!stopped)
      say(`${feed.payments.toLocaleString('en-US')} payments are through; the page stays. Stop with Ctrl-C.`)
    await signal
    say('Stopping.')
    return exitCodes.ok
  } finally {
    await live.close()
    await intake.close()
  }
}
