/**
 * Features in the most naive way: every payment of an account is kept, and each window is counted anew from its
 * definition.
 */
import { countryCodes, kilometersBase64 } from '../../schemas/countries.ts'
import { murmur2 } from './murmur2.ts'
import type { Features, Transaction } from './types.ts'

const windows = [
  { name: '1m', seconds: 60, paneMs: 1_000, panes: 60 },
  { name: '1h', seconds: 3_600, paneMs: 150_000, panes: 24 },
  { name: '1d', seconds: 86_400, paneMs: 3_600_000, panes: 24 },
  { name: '7d', seconds: 604_800, paneMs: 25_200_000, panes: 24 },
] as const

const most = 2n ** 53n

interface Account {
  payments: Transaction[]
  counterparties: Map<number, number>
  merchants: Map<number, number>
  history: Map<string, { m: bigint; d: bigint }>
  located: { second: number; country: string } | null
}

/** The features of all payer accounts of one source task; each first-seen payment is shown to it once, in log order. */
export function featuresOfAccounts(): (payment: Transaction) => Features {
  const accounts = new Map<string, Account>()
  return (payment) => {
    let account = accounts.get(payment.payerAccount)
    if (account === undefined) {
      account = { payments: [], counterparties: new Map(), merchants: new Map(), history: new Map(), located: null }
      accounts.set(payment.payerAccount, account)
    }
    account.payments.push(payment)
    const second = Math.floor(payment.occurredAt / 1000)
    see(account.counterparties, payment.payeeAccount, second)
    if (payment.merchant !== null) see(account.merchants, payment.merchant, second)

    const features: Partial<Features> = {}
    const sameCurrency = account.payments.filter((other) => other.currency === payment.currency)
    let saturated = false
    for (const { name, seconds, paneMs, panes } of windows) {
      const sum = inWindow(sameCurrency, payment, paneMs, panes).reduce((s, other) => s + BigInt(other.amountMinor), 0n)
      if (sum >= most) saturated = true
      const absent = payment.timePrecision === 'DAY' && seconds < 86_400
      features[`payments${name}`] = absent ? null : inWindow(account.payments, payment, paneMs, panes).length
      features[`amount${name}`] = absent ? null : Number(sum < most ? sum : most)
      features[`counterparties${name}`] = absent ? null : seenAfter(account.counterparties, second - seconds)
      features[`merchants${name}`] = absent ? null : seenAfter(account.merchants, second - seconds)
    }
    features.amountSaturated = saturated
    features.amountDeviation = deviation(account, payment)
    features.kilometersPerHour = speed(account, payment, second)
    return features as Features
  }
}

/** The payments in held panes (newest - n, newest] that lie in (floor(T / p) - n, floor(T / p)]. */
function inWindow(payments: readonly Transaction[], payment: Transaction, paneMs: number, n: number): Transaction[] {
  const paneOf = (other: Transaction): number => Math.floor(other.occurredAt / paneMs)
  const own = paneOf(payment)
  const newest = payments.reduce((largest, other) => Math.max(largest, paneOf(other)), own)
  return payments.filter((other) => {
    const pane = paneOf(other)
    return pane > newest - n && pane > own - n && pane <= own
  })
}

/** Notes a value in a list of the 64 most recently seen ones; the one that goes is the smallest (second, hash). */
function see(list: Map<number, number>, value: string, second: number): void {
  const hash = murmur2(value)
  list.set(hash, Math.max(second, list.get(hash) ?? second))
  if (list.size <= 64) return
  const [[smallest]] = [...list].sort(([hashA, secondA], [hashB, secondB]) => secondA - secondB || hashA - hashB)
  list.delete(smallest)
}

const seenAfter = (list: Map<number, number>, second: number): number =>
  [...list.values()].filter((last) => last > second).length

const floorDivide = (a: bigint, b: bigint): bigint => (a - (((a % b) + b) % b)) / b
const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b)
const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b)

function deviation(account: Account, payment: Transaction): number | null {
  const x = 256n * smaller(BigInt(payment.amountMinor), 2n ** 40n)
  const before = account.history.get(payment.currency)
  if (before === undefined) {
    account.history.set(payment.currency, { m: x, d: floorDivide(x, 4n) })
    return null
  }
  const { m, d } = before
  const s = larger(larger(d, floorDivide(m, 8n)), 256n)
  const e = larger(smaller(x - m, 4n * s), -4n * s)
  const size = e < 0n ? -e : e
  account.history.set(payment.currency, { m: m + floorDivide(e, 16n), d: d + floorDivide(size - d, 16n) })
  return Number(floorDivide(16n * (x - m), s))
}

function speed(account: Account, payment: Transaction, second: number): number | null {
  const { country, timePrecision } = payment
  if (country === null || timePrecision === 'DAY' || !countries.includes(country)) return null
  const last = account.located
  if (last === null || second >= last.second) account.located = { second, country }
  if (last === null) return null
  return Math.floor((kilometers(last.country, country) * 3600) / Math.max(1, Math.abs(second - last.second)))
}

const countries = countryCodes.trim().split(/\s+/)
const table = Buffer.from(kilometersBase64, 'base64')

/** The table lists index 0 with 1, 2, 3, ..., then index 1 with 2, 3, ..., and so on. */
function kilometers(from: string, to: string): number {
  if (from === to) return 0
  const [i, j] = [countries.indexOf(from), countries.indexOf(to)].sort((a, b) => a - b)
  const rowsBefore = i * countries.length - (i * (i + 1)) / 2
  return table.readUInt16LE(2 * (rowsBefore + j - i - 1))
}
