/**
 * Prints the digests of everything that the payments line writes (records, batches, deltas of state) for a fixed input
 * with every kind of trouble in it. Work on the hot path must not change a digit: `node bench/fixed-digest.ts`.
 */

import { createHash } from 'node:crypto'
import { pathToFileURL } from 'node:url'
import { generate } from '../intake/generator.ts'
import { defaultSettings } from '../schemas/settings.ts'
import { records } from '../schemas/topics.ts'
import type { TransactionRecord } from '../schemas/generated.ts'
import { objectCodec, wire } from '../streams/avro/object.ts'
import { runDigest } from '../streams/digest.ts'
import { partitionOf } from '../streams/hash.ts'
import { RecordBatchWriter, setBaseOffset } from '../streams/records.ts'
import { pinnedIds, type SchemaIds } from '../streams/schema-ids.ts'
import { DeltaBuilder } from '../streams/store.ts'
import { runLine } from './line.ts'

const utf8 = new TextEncoder()

/** Partitions of a log with disorder, copies, conflicts, returns, late and bad records, control records, and ticks. */
export function fixedLog(payments: number, partitions: number, ids: SchemaIds = pinnedIds): Uint8Array[][] {
  const codec = objectCodec<TransactionRecord>(records.transaction.schema)
  const tick = objectCodec<object>(records.tick.schema)
  const writers = Array.from({ length: partitions }, () => new RecordBatchWriter())
  const fetches: Uint8Array[][] = writers.map(() => [])
  const offsets = writers.map(() => 0)
  const flush = (p: number): void => {
    if (writers[p].count === 0) return
    const batch = writers[p].finish()
    offsets[p] = setBaseOffset(batch, offsets[p])
    fetches[p].push(batch)
    writers[p].begin(0)
  }
  const append = (p: number, at: number, key: Uint8Array | null, value: Uint8Array): void => {
    if (writers[p].count === 0) writers[p].begin(at)
    writers[p].append(at, key, 0, key?.length ?? 0, value)
    if (writers[p].position > 300_000) flush(p)
  }
  let [latest, rows] = [0, 0]
  for (const { transaction, arrivedAt } of generate({
    seed: 11,
    payments,
    customers: 2_000,
    terminals: 3_000,
    paymentsPerSecond: 2,
    returnShare: 0.05,
    duplicateShare: 0.03,
    conflictShare: 0.01,
    disorderMs: 20_000,
    lateShare: 0.01,
    tooLateShare: 0.002,
    badShare: 0.01,
    travelShare: 0.01,
    burstShare: 0.002,
    secondShare: 0.05,
    dayShare: 0.02,
  })) {
    const key = utf8.encode(transaction.payerAccount)
    let value: Uint8Array
    try {
      value = wire(ids.idOf(records.transaction), codec.encode(transaction))
    } catch {
      // A bad one may hold what no writer could write: then some bytes that nobody can read.
      value = wire(ids.idOf(records.transaction), Uint8Array.of(255))
    }
    append(partitionOf(key, 0, key.length, partitions), arrivedAt, key, value)
    latest = Math.max(latest, arrivedAt)
    if (++rows % 1000 === 0) {
      const said = wire(ids.idOf(records.tick), tick.encode({ at: latest, clock: 'FILES', closeThrough: null }))
      for (let p = 0; p < partitions; p++) append(p, latest, null, said)
    }
  }
  const closeThrough = latest + defaultSettings.cycleMs - (latest % defaultSettings.cycleMs)
  const last = wire(ids.idOf(records.tick), tick.encode({ at: latest, clock: 'FILES', closeThrough }))
  for (let p = 0; p < partitions; p++) {
    append(p, latest, null, last)
    flush(p)
  }
  return fetches
}

/** Digest of the run; SHA-256 of all record batches, and of all deltas. */
export async function fixedDigest(payments: number, stepRows?: number): Promise<Record<string, string>> {
  const partitions = 3
  const [batches, deltas] = [createHash('sha256'), createHash('sha256')]
  const entries: { task: number; topic: string; digest: string }[] = []
  for (const [partition, fetches] of fixedLog(payments, partitions).entries()) {
    const processor = await runLine(fetches, {
      partition,
      partitions,
      stepRows,
      appended: (appends) => {
        for (const append of appends) batches.update(append.topic).update(append.batches)
      },
      fetched: (running, end) => {
        const delta = new DeltaBuilder(end)
        deltas.update(running.save(delta))
        // Unordered, as the delta is: neither the order of its entries nor that of its kinds means anything.
        const puts = Array.from(delta.puts, ({ kind, key, value }) => `${kind} ${hex(key)} ${hex(value)}`)
        for (const line of puts.sort()) deltas.update(line)
      },
    })
    for (const output of processor.graph.outputs) {
      entries.push({ task: partition, topic: output.destination.topic, digest: output.digest.toString() })
    }
  }
  return { run: runDigest(entries), batches: batches.digest('hex'), deltas: deltas.digest('hex') }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const stepRows of [undefined, 700]) {
    const { run, batches, deltas } = await fixedDigest(Number(process.argv[2] ?? 200_000), stepRows)
    console.log(`steps ${stepRows ?? 'whole'}\n  run     ${run}\n  batches ${batches}\n  deltas  ${deltas}`)
  }
}
