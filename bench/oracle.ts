/**
 * The line once more in the plainest way: an object per event, Maps and arrays, one payment after the other. It knows what
 * the traffic of the benchmark holds (payments in order within the grace, copies, ticks) and nothing of the engine; what it
 * says must be what the line has written, decision by decision.
 */

import { createHash, type Hash } from 'node:crypto'
import avro from 'avsc'
import { firstRules, type Condition } from '../processors/rules.ts'
import { countryCodes, kilometersBase64 } from '../schemas/countries.ts'
import type { TransactionRecord } from '../schemas/generated.ts'
import { defaultSettings } from '../schemas/settings.ts'
import { records } from '../schemas/topics.ts'
import { murmur2 } from '../streams/hash.ts'

/** What is compared: counts, sums, and a digest over all decisions in order. */
export interface Findings {
  readonly received: number
  readonly duplicates: number
  readonly decisions: number
  readonly approved: number
  readonly held: number
  readonly declined: number
  readonly score: number
  readonly features: number
  readonly decisionDigest: string
  /** Amounts that banks owe each other: 'cycle currency debtor creditor' -> amount; as a digest over the sorted list. */
  readonly obligationDigest: string
}

type Features = Record<string, number | boolean | null>

/** Adds up decisions, by whomever they were made. */
export class Adder {
  private readonly digest: Hash = createHash('sha256')
  private readonly owed = new Map<string, bigint>()
  private readonly outcomes: Record<string, number> = { APPROVE: 0, HOLD: 0, DECLINE: 0 }
  private decisions = 0
  private scores = 0
  private sum = 0

  decision(transactionId: string, outcome: string, score: number, cycleStart: number, features: Features): void {
    this.decisions++
    this.outcomes[outcome]++
    this.scores += score
    const values = Object.values(features)
    for (const value of values) this.sum += Number(value ?? 0)
    this.digest.update(`${transactionId} ${outcome} ${score} ${cycleStart} ${values.join(' ')}\n`)
  }

  obligation(cycleStart: number, currency: string, debtor: string, creditor: string, amount: bigint): void {
    const key = `${cycleStart} ${currency} ${debtor} ${creditor}`
    this.owed.set(key, (this.owed.get(key) ?? 0n) + amount)
  }

  findings(received: number, duplicates: number): Findings {
    const owed = [...this.owed].map(([key, amount]) => `${key} ${amount}`).sort()
    const { APPROVE: approved, HOLD: held, DECLINE: declined } = this.outcomes
    return {
      received,
      duplicates,
      decisions: this.decisions,
      approved,
      held,
      declined,
      score: this.scores,
      features: this.sum,
      decisionDigest: this.digest.digest('hex'),
      obligationDigest: createHash('sha256').update(owed.join('\n')).digest('hex'),
    }
  }
}

/** Every record of record batches back to back: schema id, and the Avro bytes behind it. */
export function* recordsOf(bytes: Uint8Array): Generator<{ id: number; value: Buffer }> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 0
  const varint = (): number => {
    let [value, scale, byte] = [0, 1, 0]
    do {
      byte = buffer[at++]
      value += (byte & 127) * scale
      scale *= 128
    } while (byte > 127)
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }
  while (at < buffer.length) {
    const count = buffer.readInt32BE(at + 57)
    at += 61
    for (let i = 0; i < count; i++) {
      const length = varint()
      const next = at + length
      at++
      varint()
      varint()
      const keySize = varint()
      at += Math.max(0, keySize)
      const size = varint()
      yield { id: buffer.readInt32BE(at + 1), value: buffer.subarray(at + 5, at + size) }
      at = next
    }
  }
}

const transactionType = avro.Type.forSchema(JSON.parse(records.transaction.schema) as avro.Schema)

/** What the line should find in this traffic. */
export function judgeTraffic(fetches: readonly Uint8Array[]): Findings {
  const adder = new Adder()
  const seen = new Set<string>()
  const accounts = new Map<string, Account>()
  let [received, duplicates] = [0, 0]
  for (const bytes of fetches) {
    for (const { id, value } of recordsOf(bytes)) {
      if (id !== records.transaction.id) continue
      const payment = transactionType.fromBuffer(value) as TransactionRecord
      received++
      const identity = `${payment.producer} ${payment.payerAccount} ${payment.transactionId}`
      if (seen.has(identity)) {
        duplicates++
        continue
      }
      seen.add(identity)
      let account = accounts.get(payment.payerAccount)
      if (account === undefined) accounts.set(payment.payerAccount, (account = new Account()))
      const features = account.see(payment)
      const score = scoreOf(features, payment.amountMinor)
      const { declineAt, holdAt } = firstRules
      const outcome = score >= declineAt ? 'DECLINE' : score >= holdAt ? 'HOLD' : 'APPROVE'
      const cycleStart = Math.floor(payment.occurredAt / defaultSettings.cycleMs) * defaultSettings.cycleMs
      adder.decision(payment.transactionId, outcome, score, cycleStart, features)
      if (outcome !== 'APPROVE') continue
      const { currency, payerBank, payeeBank, amountMinor } = payment
      adder.obligation(cycleStart, currency, payerBank, payeeBank, BigInt(amountMinor))
    }
  }
  return adder.findings(received, duplicates)
}

const windows = [
  { name: '1m', paneMs: 1_000, panes: 60 },
  { name: '1h', paneMs: 150_000, panes: 24 },
  { name: '1d', paneMs: 3_600_000, panes: 24 },
  { name: '7d', paneMs: 25_200_000, panes: 24 },
]

class Account {
  private readonly counts = windows.map(() => new Map<number, number>())
  private readonly sums = new Map<string, Map<number, number>[]>()
  private readonly counterparties = new Map<number, number>()
  private readonly merchants = new Map<number, number>()
  private readonly history = new Map<string, { mean: number; deviation: number }>()
  private located: { country: string; second: number } | null = null

  see(payment: TransactionRecord): Features {
    const { occurredAt, currency, amountMinor, payeeAccount, merchant } = payment
    const second = Math.floor(occurredAt / 1000)
    remember(this.counterparties, payeeAccount, second)
    if (merchant !== null) remember(this.merchants, merchant, second)
    let sums = this.sums.get(currency)
    if (sums === undefined) this.sums.set(currency, (sums = windows.map(() => new Map())))
    const after = (list: Map<number, number>, from: number): number =>
      [...list.values()].filter((last) => last > from).length
    const lengths = windows.map(({ paneMs, panes }) => (paneMs * panes) / 1000)
    const named = (name: string, values: number[]): [string, number][] =>
      windows.map((window, w) => [name + window.name, values[w]])
    return {
      ...Object.fromEntries([
        ...named(
          'payments',
          windows.map((_, w) => addTo(this.counts[w], w, occurredAt, 1)),
        ),
        ...named(
          'amount',
          windows.map((_, w) => addTo(sums[w], w, occurredAt, amountMinor)),
        ),
        ...named(
          'counterparties',
          lengths.map((length) => after(this.counterparties, second - length)),
        ),
        ...named(
          'merchants',
          lengths.map((length) => after(this.merchants, second - length)),
        ),
      ]),
      amountSaturated: false,
      amountDeviation: this.deviation(currency, amountMinor),
      kilometersPerHour: this.speed(payment.country, second),
    }
  }

  private deviation(currency: string, amountMinor: number): number | null {
    const x = 256 * amountMinor
    const before = this.history.get(currency)
    if (before === undefined) {
      this.history.set(currency, { mean: x, deviation: Math.floor(x / 4) })
      return null
    }
    const { mean, deviation } = before
    const usual = Math.max(deviation, Math.floor(mean / 8), 256)
    const error = Math.max(-4 * usual, Math.min(4 * usual, x - mean))
    before.mean = mean + Math.floor(error / 16)
    before.deviation = deviation + Math.floor((Math.abs(error) - deviation) / 16)
    return Math.floor((16 * (x - mean)) / usual)
  }

  private speed(country: string | null, second: number): number | null {
    if (country === null || !countries.includes(country)) return null
    const last = this.located
    if (last === null || second >= last.second) this.located = { country, second }
    if (last === null) return null
    return Math.floor((kilometers(last.country, country) * 3600) / Math.max(1, Math.abs(second - last.second)))
  }
}

/** Adds to the pane of a time, forgets panes that are no longer held, and says what the window holds at that time. */
function addTo(held: Map<number, number>, w: number, time: number, value: number): number {
  const { paneMs, panes } = windows[w]
  const pane = Math.floor(time / paneMs)
  held.set(pane, (held.get(pane) ?? 0) + value)
  let newest = pane
  for (const other of held.keys()) newest = Math.max(newest, other)
  let sum = 0
  for (const [other, amount] of held) {
    if (other <= newest - panes) held.delete(other)
    else if (other <= pane && other > pane - panes) sum += amount
  }
  return sum
}

/** One list of the 64 values seen last; the smallest (second, hash) goes. */
function remember(list: Map<number, number>, value: string, second: number): void {
  const bytes = Buffer.from(value)
  const hash = murmur2(bytes, 0, bytes.length)
  list.set(hash, Math.max(second, list.get(hash) ?? second))
  if (list.size <= 64) return
  let smallest: [number, number] | null = null
  for (const entry of list) {
    if (smallest === null || entry[1] < smallest[1] || (entry[1] === smallest[1] && entry[0] < smallest[0]))
      smallest = entry
  }
  if (smallest !== null) list.delete(smallest[0])
}

function scoreOf(features: Features, amountMinor: number): number {
  const valueOf = (name: string): number =>
    name === 'amountMinor' ? amountMinor : Number(features[name] ?? Number.NaN)
  const holds = ({ feature, atLeast, atMost, above, atMostTimes }: Condition): boolean => {
    const value = valueOf(feature)
    return (
      !Number.isNaN(value) &&
      (atLeast === undefined || value >= atLeast) &&
      (atMost === undefined || value <= atMost) &&
      (above === undefined || value > above) &&
      (atMostTimes === undefined || value <= atMostTimes.factor * valueOf(atMostTimes.feature))
    )
  }
  return firstRules.rules.filter(({ when }) => when.every(holds)).reduce((sum, { points }) => sum + points, 0)
}

const countries = countryCodes.trim().split(/\s+/)
const table = Buffer.from(kilometersBase64, 'base64')

/** The table lists index 0 with 1, 2, 3, ..., then index 1 with 2, 3, ..., and so on. */
function kilometers(from: string, to: string): number {
  if (from === to) return 0
  const [i, j] = [countries.indexOf(from), countries.indexOf(to)].sort((a, b) => a - b)
  return table.readUInt16LE(2 * (i * countries.length - (i * (i + 1)) / 2 + (j - i - 1)))
}
