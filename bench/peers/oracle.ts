/**
 * What pay-1 must give, worked out in one pass over plain maps: written from the description of the work, and from nothing
 * that any contender runs.
 */

import { BASE, generatePay1, type Pay1Options } from './generator.ts'
import { RowDigest } from './row-hash.ts'

/** Outputs, read back or expected. Settlements: those of windows that must have closed before the input ended. */
export interface Pay1Outputs {
  readonly decisions: number
  readonly declined: number
  readonly decisionDigest: string
  readonly settlements: number
  readonly settledCount: number
  readonly settledMinor: number
  readonly settlementDigest: string
}

const HOUR = 3_600_000
const FIVE = 300_000
const MINUTE = 60_000
/** Panes of five minutes in an hour. */
const PANES = 12

/** What a row of a decision, or of a settlement, is called in the digests. */
export const decisionRow = (id: string, declined: boolean, score: number): string =>
  `${id}|${declined ? 'DECLINED' : 'APPROVED'}|${score}`
export const settlementRow = (key: string, windowStart: number, sumMinor: number, count: number): string =>
  `${key}|${windowStart}|${sumMinor}|${count}`

/** Windows from here on need not have closed when the input ends: they are compared for nobody. */
export function cutoffOf({ events, eventRate }: Pay1Options, graceMs: number): number {
  const last = BASE + Math.trunc((events * 1000) / eventRate)
  return Math.floor((last - graceMs - 20_000) / MINUTE) * MINUTE - MINUTE
}

interface Sum {
  count: number
  minor: number
}

function addTo<Key>(sums: Map<Key, Sum>, key: Key, minor: number): Sum {
  let sum = sums.get(key)
  if (sum === undefined) sums.set(key, (sum = { count: 0, minor: 0 }))
  sum.count++
  sum.minor += minor
  return sum
}

/** What is expected, given how long windows wait for late payments. */
export function judgePay1(options: Pay1Options): (graceMs: number) => Pay1Outputs {
  const seen = new Map<string, number>()
  const payers = new Map<string, { minutes: Map<number, Sum>; panes: Map<number, Sum> }>()
  const settled = new Map<string, Sum>()
  const decisions = new RowDigest()
  let declinedRows = 0
  for (const tx of generatePay1(options)) {
    const before = seen.get(tx.id)
    if (before !== undefined && Math.abs(before - tx.ts) <= HOUR) continue
    seen.set(tx.id, tx.ts)
    let payer = payers.get(tx.payer)
    if (payer === undefined) payers.set(tx.payer, (payer = { minutes: new Map(), panes: new Map() }))
    const minute = Math.floor(tx.ts / MINUTE)
    const { count } = addTo(payer.minutes, minute, tx.amountMinor)
    const five = Math.floor(tx.ts / FIVE)
    addTo(payer.panes, five, tx.amountMinor)
    // The hopping window that has seen most: [floor5(ts) - 55 min, floor5(ts) + 5 min).
    let hour = 0
    for (let k = 0; k < PANES; k++) hour += payer.panes.get(five - k)?.minor ?? 0
    const points = 20 * count + Math.floor(hour / 10_000) + Math.floor(tx.amountMinor / 5_000)
    const declined = count > 10 || hour > 1_000_000
    decisions.add(decisionRow(tx.id, declined, Math.min(1000, points)))
    if (declined) declinedRows++
    else addTo(settled, `${tx.payerBank}|${tx.payeeBank}|${tx.currency}|${minute * MINUTE}`, tx.amountMinor)
  }
  const decided = { decisions: decisions.rows, declined: declinedRows, decisionDigest: decisions.toString() }
  return (graceMs) => ({ ...decided, ...settlementsOf(settled, cutoffOf(options, graceMs)) })
}

function settlementsOf(
  settled: ReadonlyMap<string, Sum>,
  cutoff: number,
): Pick<Pay1Outputs, 'settlements' | 'settledCount' | 'settledMinor' | 'settlementDigest'> {
  const settlements = new RowDigest()
  let [settledCount, settledMinor] = [0, 0]
  for (const [key, { count, minor }] of settled) {
    const cut = key.lastIndexOf('|')
    const start = Number(key.slice(cut + 1))
    if (start >= cutoff) continue
    settledCount += count
    settledMinor += minor
    settlements.add(settlementRow(key.slice(0, cut), start, minor, count))
  }
  return { settlements: settlements.rows, settledCount, settledMinor, settlementDigest: settlements.toString() }
}
