/**
 * The input of pay-1, seeded: byte for byte what the generator of the first measurements (in Java) gave. One payment per
 * millisecond of event time, three of ten up to 5 s late and the rest up to 0.2 s, and 2 % exact copies.
 */

import { Random64 } from './random64.ts'

/** Event time of the first payment: 2026-01-01T00:00:00Z. */
export const BASE = 1_767_225_600_000
/** Wire id of the transaction's schema. */
export const TRANSACTION_ID = 1
const BANKS = 20
/** Copies come up to so many seconds after their original. */
const COPIES_WITHIN_S = 55
const CURRENCIES = ['EUR', 'USD', 'GBP'] as const
const COUNTRIES = ['DE', 'FR', 'NL', 'ES', 'IT', 'GB', 'US', 'PL', 'SE', 'AT'] as const

export interface Pay1Options {
  readonly events: number
  readonly seed: number
  readonly payers: number
  /** Events per second of event time. */
  readonly eventRate: number
  /** How payers are drawn. */
  readonly keys: 'zipf' | 'uniform'
}

export const defaultPay1: Pay1Options = { events: 1_000_000, seed: 1, payers: 100_000, eventRate: 1000, keys: 'zipf' }

export interface Pay1Transaction {
  /** Number of the payment among those that are no copies; the first 8 hex digits of its id. */
  readonly index: number
  readonly id: string
  readonly ts: number
  readonly payer: string
  readonly payee: string
  readonly payerBank: string
  readonly payeeBank: string
  readonly merchant: string
  readonly amountMinor: number
  readonly currency: string
  readonly country: string
  /** In the Confluent wire format. */
  readonly value: Uint8Array
}

/** The records in their order; a copy is the very same object. */
export function* generatePay1(options: Pay1Options): Generator<Pay1Transaction> {
  const { events, seed, payers, eventRate } = options
  const random = new Random64(seed)
  const drawPayer = options.keys === 'zipf' ? zipf(random, payers) : () => random.below(payers)
  const ring = Array.from<Pay1Transaction>({ length: COPIES_WITHIN_S * eventRate })
  let index = 0
  for (let at = 0; at < events; at++) {
    if (at > 1000 && random.below(100) < 2) {
      const back = 1 + random.below(Math.min(at - 1, ring.length - 1))
      ring[at % ring.length] = ring[(at - back) % ring.length]
    } else ring[at % ring.length] = payment(random, index++, Math.trunc((at * 1000) / eventRate), drawPayer, payers)
    yield ring[at % ring.length]
  }
}

/** Ranks by 1 / rank^0.8, spread over the account numbers so that the busy ones are not neighbours. */
function zipf(random: Random64, payers: number): () => number {
  const cumulated = new Float64Array(payers)
  let sum = 0
  for (let rank = 0; rank < payers; rank++) cumulated[rank] = sum += (rank + 1) ** -0.8
  for (let rank = 0; rank < payers; rank++) cumulated[rank] /= sum
  return () => {
    const drawn = random.unit()
    let [low, high] = [0, payers - 1]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (cumulated[middle] < drawn) low = middle + 1
      else high = middle
    }
    return (low * 2_654_435_761) % payers
  }
}

function payment(
  random: Random64,
  index: number,
  sinceBase: number,
  drawPayer: () => number,
  payers: number,
): Pay1Transaction {
  const delay = random.below(10) < 3 ? random.below(5000) : random.below(200)
  const ts = BASE + sinceBase - delay
  const payer = drawPayer()
  const payee = random.below(payers)
  const id = uuid(index, random)
  const merchant = `mer-${padded(random.below(10_000), 5)}`
  const currency = CURRENCIES[Math.min(2, random.below(4))]
  const country = COUNTRIES[random.below(COUNTRIES.length)]
  // Log-normal, median 30.00, mean about 50.00.
  let normal = 0
  for (let k = 0; k < 12; k++) normal += random.unit()
  const amountMinor = Math.max(1, Math.min(2_000_000, Math.trunc(3000 * Math.exp(normal - 6))))
  const fields = {
    id,
    ts,
    payer: account(payer),
    payee: account(payee),
    payerBank: bank(payer % BANKS),
    payeeBank: bank(payee % BANKS),
    merchant,
    amountMinor,
    currency,
    country,
  }
  return { index, ...fields, value: encode(fields) }
}

const padded = (value: number, width: number): string => String(value).padStart(width, '0')
const bank = (number: number): string => `BANKDE${padded(number, 2)}`
const account = (number: number): string => `acct-${padded(number, 6)}`
const hex = (word: number): string => word.toString(16).padStart(8, '0')

function uuid(index: number, random: Random64): string {
  random.draw()
  const second = hex(random.low)
  random.draw()
  const [third, fourth] = [hex(random.high), hex(random.low)]
  return `${hex(index)}-${second.slice(0, 4)}-${second.slice(4)}-${third.slice(0, 4)}-${third.slice(4)}${fourth}`
}

const scratch = Buffer.alloc(256)

/** The wire prefix, then the fields in the order of the schema. */
function encode(tx: Omit<Pay1Transaction, 'index' | 'value'>): Uint8Array {
  scratch.writeUInt8(0)
  let at = scratch.writeInt32BE(TRANSACTION_ID, 1)
  const long = (value: number): void => {
    let rest = value * 2
    for (; rest > 127; rest = Math.floor(rest / 128)) scratch[at++] = (rest % 128) | 128
    scratch[at++] = rest
  }
  const text = (value: string): void => {
    long(value.length)
    at += scratch.write(value, at, 'latin1')
  }
  text(tx.id)
  long(tx.ts)
  for (const value of [tx.payer, tx.payee, tx.payerBank, tx.payeeBank, tx.merchant]) text(value)
  long(tx.amountMinor)
  text(tx.currency)
  text(tx.country)
  return new Uint8Array(scratch.subarray(0, at))
}
