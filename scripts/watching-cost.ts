/**
 * What watching costs: the payments line over the in-memory backend, with metrics, board and log attached and without, in
 * turn; and the observers' own calls alone. Prints CPU microseconds per record and their ratio.
 *
 *     node scripts/watching-cost.ts [payments] [rounds]
 */
import { openObservation } from '../cli/observe/index.ts'
import { loadConfiguration } from '../cli/configuration/load.ts'
import { generate } from '../intake/generator.ts'
import { transactionValue } from '../intake/wire.ts'
import { defaultSettings } from '../schemas/settings.ts'
import { records, topics } from '../schemas/topics.ts'
import { partitionOf } from '../streams/hash.ts'
import { noObserver, type TaskObserver } from '../streams/index.ts'
import { openMemory } from '../streams/memory/index.ts'
import { TestDriver } from '../streams/testing.ts'
import { payments } from '../topologies/payments.ts'

const [count = 100_000, rounds = 5] = process.argv.slice(2).map(Number)
const settings = { ...defaultSettings, partitions: 1 }
const sent = [...generate({ seed: 1, payments: count, paymentsPerSecond: 500 })].map(({ transaction }) => {
  const key = Buffer.from(transaction.payerAccount)
  if (partitionOf(key, 0, key.length, 1) !== 0) throw new Error('one partition takes all')
  return { key, type: records.transaction, value: transactionValue(transaction), timestamp: transaction.occurredAt }
})

const observed = async (): Promise<TaskObserver> => {
  const { observe } = loadConfiguration({ env: {} })
  return (await openObservation(observe, { role: 'bench', version: '0', logicVersion: '0', write: () => {} })).observer
}

/** CPU of one pass over everything, microseconds per record. */
async function pass(observer: TaskObserver | undefined): Promise<number> {
  const driver = new TestDriver({
    topologies: [payments(settings)],
    topics: Object.values(topics),
    partitions: 1,
    markOf: (topic) => (topic === topics.cyclePartials.name ? null : records.mark),
    backend: openMemory(),
    task: { observer },
  })
  await driver.create()
  for (let at = 0; at < sent.length; at += 2_000)
    await driver.send(topics.transactions.name, 0, sent.slice(at, at + 2_000))
  globalThis.gc?.()
  const before = process.cpuUsage()
  await driver.run()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / sent.length
}

/** CPU of the calls that one batch makes, microseconds. */
function callsOfOneBatch(observer: TaskObserver): number {
  const written = new Map([
    ['transaction-outcomes', 4_000],
    ['decisions', 4_000],
    ['alerts', 40],
  ])
  const batch = { from: 0, to: 4_000, rows: 4_000, received: 4_000, late: 3, duplicates: 40, conflicting: 1 }
  const whole = { ...batch, deadLetters: new Map<string, number>(), dropped: 0, written, ms: 9, loadMs: 1 }
  const commit = { position: 4_000, bytes: 900_000, ms: 20, waitMs: 1, oldestAcceptedAt: 1, newestAcceptedAt: 2 }
  const times = 100_000
  const once = (): void => {
    observer.fetched('payments-0', { from: 0, next: 4_000, end: 4_000, rows: 4_000, bytes: 900_000, ms: 3 })
    observer.processed('payments-0', whole)
    observer.committed('payments-0', commit)
    observer.applied('payments-0', { from: 0, to: 4_000, entries: 5_000, bytes: 500_000, ms: 4 })
  }
  for (let n = 0; n < times; n++) once()
  const before = process.cpuUsage()
  for (let n = 0; n < times; n++) once()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / times
}

const observer = await observed()
await pass(undefined)
await pass(observer)
const pairs: [number, number, number][] = []
for (let round = 0; round < rounds; round++) {
  pairs.push([await pass(undefined), await pass(noObserver), await pass(observer)])
  console.log(pairs[round].map((one) => one.toFixed(3)).join('  '))
}
const median = (which: number): number => pairs.map((pair) => pair[which]).sort((a, b) => a - b)[rounds >> 1]
const perBatch = callsOfOneBatch(observer)
console.log(
  `CPU us/record, median of ${rounds}: unwatched ${median(0).toFixed(3)}, counted ${median(1).toFixed(3)}, with metrics ${median(2).toFixed(3)}`,
)
console.log(
  `calls of one batch: ${perBatch.toFixed(2)} us; of 4,000 rows that take ${(median(0) * 4_000).toFixed(0)} us: ${((perBatch / (median(0) * 4_000)) * 100).toFixed(3)} %`,
)
