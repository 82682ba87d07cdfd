/**
 * Random logs in which everything that can go wrong goes wrong often: few accounts, few ids, times on a coarse grid so
 * that edges (of cycles, grace, horizon, windows) are hit exactly. The same seed gives the same log.
 */
import type { Random } from '../../intake/random.ts'
import { defaultSettings, type Settings } from '../../schemas/settings.ts'
import { partitionOf } from '../model/murmur2.ts'
import type { LogRecord, Resolution, Rules, Transaction } from '../model/types.ts'
import { monday } from '../model/worked-records.ts'

/** Short times, so that a few hundred records pass many horizons. */
export const simulatedSettings: Settings = {
  ...defaultSettings,
  partitions: 3,
  cycleMs: 60_000,
  graceMs: 10_000,
  allowedDelayMs: 5_000,
  dedupHorizonMs: 600_000,
  runMarkTicks: 3,
  serveMarkTicksPerPartition: 1,
}

/** Rules that fire often, on every feature that there is. */
export const simulatedRules: Rules = {
  version: 'simulated',
  holdAt: 50,
  declineAt: 100,
  rules: [
    rule('brisk', 50, { feature: 'payments1m', atLeast: 3 }),
    rule('busy', 20, { feature: 'payments1h', atLeast: 9 }),
    rule('spend', 40, { feature: 'amount1h', atLeast: 30_000 }),
    rule('unusual', 30, { feature: 'amountDeviation', atLeast: 64 }),
    rule('many', 20, { feature: 'counterparties1d', atLeast: 4 }),
    rule('shops', -15, { feature: 'merchants7d', atLeast: 2 }),
    rule('travel', 60, { feature: 'kilometersPerHour', above: 1000 }),
  ],
}

function rule(name: string, points: number, when: Rules['rules'][number]['when'][number]): Rules['rules'][number] {
  return { name, points, absent: 'does not fire', when: [when] }
}

const GRID = 5_000
const pick = <T>(random: Random, list: readonly T[]): T => list[random.below(list.length)]

/** A log of about `size` records, one list per partition. */
export function randomLog(random: Random, size: number, settings: Settings = simulatedSettings): LogRecord[][] {
  const { partitions, dedupHorizonMs, cycleMs } = settings
  const logs: LogRecord[][] = Array.from({ length: partitions }, () => [])
  const clock = pick(random, ['FILES', 'WALL', 'SIMULATED'] as const)
  const accounts = Array.from({ length: 2 + random.below(6) }, (_, i) => `acc-${i}`)
  const sent: Transaction[] = []
  const resolved: Transaction[] = []
  let now = monday
  let ids = 0
  const everywhere = (record: LogRecord): void => logs.forEach((log) => void log.push(record))
  const send = (transaction: Transaction, more: { key?: string; partition?: number } = {}): void => {
    const key = more.key ?? transaction.payerAccount
    const acceptedAt = Math.max(now, transaction.occurredAt - (random.chance(0.02) ? 0 : settings.maxAheadMs))
    const to = more.partition ?? partitionOf(transaction.payerAccount, partitions)
    logs[to].push({ type: 'transaction', key, acceptedAt, transaction })
  }
  const draw = (): Transaction => ({
    producer: random.chance(0.9) ? 'shop' : 'other',
    payerAccount: pick(random, accounts),
    transactionId: random.chance(0.1) && sent.length > 0 ? pick(random, sent).transactionId : `T${ids++}`,
    kind: 'PAYMENT',
    occurredAt: now - timeBack(),
    payerBank: pick(random, ['bank-a', 'bank-b', 'bank-c', 'bänk-ü']),
    payeeAccount: `payee-${random.below(8)}`,
    payeeBank: pick(random, ['bank-a', 'bank-b', 'bank-c', 'bank-z']),
    merchant: random.chance(0.3) ? null : `shop-${random.below(5)}`,
    amountMinor: random.chance(0.01)
      ? 2 ** 53 - random.below(3)
      : 1 + random.below(random.chance(0.1) ? 90_000 : 3_000),
    currency: pick(random, ['EUR', 'EUR', 'USD', 'JPY']),
    country: random.chance(0.5) ? null : pick(random, ['CZ', 'SK', 'US', 'XX']),
    originalTransactionId: random.chance(0.05) ? 'means-nothing' : null,
    timePrecision: random.chance(0.9) ? 'MILLISECOND' : pick(random, ['SECOND', 'DAY'] as const),
  })
  /** Mostly now; sometimes late; sometimes at the very edge of the horizon, of a window or of a cycle. */
  function timeBack(): number {
    if (random.chance(0.7)) return random.below(3) * GRID
    if (random.chance(0.1)) return -random.below(20) * GRID
    return pick(random, [cycleMs, cycleMs + settings.graceMs, dedupHorizonMs, dedupHorizonMs + 1, 60_000, 3_600_000])
  }

  for (let i = 0; i < size; i++) {
    const what = random.uniform()
    if (what < 0.45) {
      const transaction = draw()
      sent.push(transaction)
      send(transaction)
    } else if (what < 0.55 && sent.length > 0) {
      send(pick(random, sent))
    } else if (what < 0.58 && sent.length > 0) {
      send({ ...pick(random, sent), amountMinor: 1 + random.below(100) })
    } else if (what < 0.68 && sent.length > 0) {
      const late = resolved.length > 0 && random.chance(0.4)
      const original = late ? resolved.at(-1)! : pick(random, sent.slice(-20))
      const part = random.chance(0.5) ? original.amountMinor : 1 + random.below(original.amountMinor)
      const back: Transaction = {
        ...original,
        transactionId: `R${ids++}`,
        originalTransactionId: original.transactionId,
        kind: pick(random, ['REFUND', 'REVERSAL', 'CHARGEBACK'] as const),
        occurredAt: now,
        amountMinor: part,
        currency: random.chance(0.95) ? original.currency : 'GBP',
      }
      sent.push(back)
      send(back)
    } else if (what < 0.71) {
      send({ ...draw(), ...pick(random, spoiled) })
    } else if (what < 0.72) {
      const transaction = draw()
      if (random.chance(0.5)) send(transaction, { key: 'acc-other' })
      else send(transaction, { partition: random.below(partitions) })
    } else if (what < 0.73) {
      logs[random.below(partitions)].push({ type: 'unreadable', reason: 'column-count' })
    } else if (what < 0.8 && sent.length > 0) {
      const of = pick(random, random.chance(0.7) ? sent.slice(-12) : sent)
      if (of.kind === 'PAYMENT') resolved.push(of)
      const resolution = resolutionOf(random, of, ids++)
      logs[partitionOf(resolution.payerAccount, partitions)].push({ type: 'holdResolution', ...resolution })
    } else if (what < 0.81) {
      everywhere(memberList(random, i))
    } else {
      now +=
        GRID * (random.chance(0.9) ? random.below(8) : random.chance(0.9) ? random.below(150) : random.below(5_000))
      if (random.chance(0.5)) everywhere({ type: 'tick', at: now, clock, closeThrough: null })
      else if (random.chance(0.1))
        logs[random.below(partitions)].push({ type: 'tick', at: now, clock, closeThrough: null })
    }
  }
  const closeThrough = random.chance(0.5) ? Math.floor(now / cycleMs) * cycleMs + cycleMs : null
  everywhere({ type: 'tick', at: now, clock: closeThrough === null ? clock : 'FILES', closeThrough })
  return logs
}

const spoiled: Partial<Transaction>[] = [
  { transactionId: '' },
  { payerBank: 'b'.repeat(65) },
  { currency: 'E'.repeat(600) },
  { merchant: 'm'.repeat(5_000) },
  { amountMinor: 0 },
  { kind: 'REFUND', originalTransactionId: null },
  { occurredAt: 0 },
  { occurredAt: Date.UTC(2100, 0, 1) },
]

function resolutionOf(random: Random, of: Transaction, id: number): Resolution {
  return {
    resolutionId: random.chance(0.2) ? `R${random.below(20)}` : random.chance(0.05) ? 'r'.repeat(500) : `r${id}`,
    action: random.chance(0.7) ? 'RELEASE' : 'REJECT',
    producer: of.producer,
    payerAccount: of.payerAccount,
    transactionId: random.chance(0.95) ? of.transactionId : 'nothing',
    by: 'anna',
    why: 'seen',
    notSettledElsewhere: random.chance(0.6),
  }
}

function memberList(random: Random, number: number): LogRecord {
  const anyBank = random.chance(0.4)
  const banks = ['bank-a', 'bank-b', 'bank-c', 'bank-q', 'bänk-ü'].filter(() => random.chance(0.85))
  const members = banks.map((bank) => ({
    bank,
    currencies: ['EUR', 'USD', 'JPY', 'GBP'].filter(() => random.chance(0.9)),
    settlementAccount: `set-${bank}`,
  }))
  return { type: 'memberList', version: `list ${number}`, anyBank, members: anyBank ? [] : members }
}
