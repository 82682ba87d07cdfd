/** Payments for the benchmarks: a log partition as record batches in memory, the same bytes on every machine. */

import { seeded, type Random } from '../intake/random.ts'
import type { TransactionRecord } from '../schemas/generated.ts'
import { records } from '../schemas/topics.ts'
import { objectCodec, wire } from '../streams/avro/object.ts'
import { RecordBatchWriter, setBaseOffset } from '../streams/records.ts'

export interface TrafficOptions {
  readonly events: number
  readonly accounts: number
  /** Share of exact copies of one of the last 20,000 events. */
  readonly duplicateShare: number
  /** Events per second of event time. */
  readonly pace: number
}

/**
 * 100,000 accounts, of which 1 % make 20 % of the payments. At 150 events a second an account pays every few minutes and
 * a hot one every 33 seconds: below the limits of the velocity rules, so that about one payment in a hundred is held.
 */
export const defaultTraffic: TrafficOptions = { events: 1_000_000, accounts: 100_000, duplicateShare: 0.02, pace: 150 }

export interface Traffic {
  /** What one read of the log gives: some record batches back to back, about 1 MiB. */
  readonly fetches: readonly Uint8Array[]
  readonly events: number
  readonly duplicates: number
  /** Mean size of an event's Avro bytes, wire prefix not counted. */
  readonly bytesPerEvent: number
  /** Offset after the last record. */
  readonly end: number
}

/** Rows of a record batch, and rows between two ticks, as `run` writes them. */
const BATCH = 500
const TICK_EVERY = 1_000
const FETCH_BYTES = 1 << 20
const START = Date.UTC(2026, 0, 5)
const RECENT = 20_000

const currencies = ['EUR', 'USD', 'GBP', 'CHF', 'CZK']
const countries = ['DE', 'US', 'GB', 'CH', 'CZ', 'FR', 'AT', 'NL']
const tick = objectCodec<{ at: number; clock: string; closeThrough: number | null }>(records.tick.schema)
const transaction = objectCodec<TransactionRecord>(records.transaction.schema)

/** Heavy tail: 20 % of the draws go to the first 1 % of n. */
const skewed = (random: Random, n: number): number =>
  random.chance(0.2) ? random.below(Math.floor(n * 0.01)) : random.below(n)

/** Same options, same bytes. One partition; the last tick closes every cycle. */
export function prepareTraffic(options: TrafficOptions = defaultTraffic): Traffic {
  const random = seeded(12_345)
  const recent: { key: Uint8Array; value: Uint8Array }[] = []
  const fetches: Uint8Array[] = []
  const writer = new RecordBatchWriter(BATCH * 256)
  let pending: Uint8Array[] = []
  let pendingBytes = 0
  let offset = 0
  let [bytes, distinct, duplicates, latest] = [0, 0, 0, 0]
  const flush = (): void => {
    if (writer.count > 0) {
      const batch = writer.finish()
      offset = setBaseOffset(batch, offset)
      pending.push(batch)
      pendingBytes += batch.length
      writer.begin(0)
    }
  }
  const cut = (): void => {
    if (pending.length > 0) fetches.push(new Uint8Array(Buffer.concat(pending)))
    pending = []
    pendingBytes = 0
  }
  const say = (closeThrough: number | null): void => {
    const value = wire(records.tick.id, tick.encode({ at: latest, clock: 'FILES', closeThrough }))
    writer.append(latest, null, 0, 0, value)
  }
  for (let event = 0; event < options.events; event++) {
    const at = START + Math.floor((event * 1000) / options.pace)
    if (writer.count === 0) writer.begin(at)
    let one = recent[random.below(RECENT)]
    if (one !== undefined && random.chance(options.duplicateShare)) duplicates++
    else {
      one = payment(random, options, at)
      recent[event < RECENT ? event : random.below(RECENT)] = one
      bytes += one.value.length - 5
      distinct++
    }
    latest = at
    writer.append(at, one.key, 0, one.key.length, one.value)
    if ((event + 1) % TICK_EVERY === 0) say(null)
    if (writer.count >= BATCH) flush()
    if (pendingBytes >= FETCH_BYTES) cut()
  }
  if (writer.count === 0) writer.begin(latest)
  say(Math.floor(latest / 300_000) * 300_000 + 300_000)
  flush()
  cut()
  return { fetches, events: options.events, duplicates, bytesPerEvent: bytes / distinct, end: offset }
}

function payment(
  random: Random,
  { accounts, pace }: TrafficOptions,
  at: number,
): { key: Uint8Array; value: Uint8Array } {
  const payer = skewed(random, accounts)
  const payee = skewed(random, accounts)
  const payerAccount = `ACC-${String(payer).padStart(8, '0')}`
  const id = Array.from({ length: 4 }, () =>
    random
      .below(2 ** 32)
      .toString(16)
      .padStart(8, '0'),
  ).join('')
  const bankOf = (account: number): string => `BANK${countries[account % 8]}2LXXX`
  // People pay at home, in their own currency; a few pay elsewhere, and one in a thousand from another country.
  const away = random.chance(0.001)
  const record: TransactionRecord = {
    producer: 'card-processor-eu-1',
    payerAccount,
    transactionId: `${id.slice(0, 8)}-${id.slice(8, 12)}-${id.slice(12, 16)}-${id.slice(16, 20)}-${id.slice(20)}`,
    kind: 'PAYMENT',
    occurredAt: at - Math.floor((random.below(200) * 150) / Math.max(150, pace)),
    payerBank: bankOf(payer),
    payeeAccount: `ACC-${String(payee).padStart(8, '0')}`,
    payeeBank: bankOf(payee),
    merchant: random.chance(0.9) ? `MER-${String(skewed(random, 10_000)).padStart(6, '0')}` : null,
    amountMinor: 1 + Math.floor(random.uniform() * random.uniform() * 20_000),
    currency: currencies[random.chance(0.03) ? random.below(5) : payer % 5],
    country: countries[away ? random.below(8) : payer % 8],
    originalTransactionId: null,
    timePrecision: 'MILLISECOND',
  }
  return { key: Buffer.from(payerAccount), value: wire(records.transaction.id, transaction.encode(record)) }
}
