/**
 * Synthetic payments: the fraud handbook's simulator (Le Borgne et al., "Reproducible machine learning for credit card
 * fraud detection") as one stream in order of arrival, extended with banks, currencies, kinds, two-way flows and
 * everything that goes wrong.
 */
import type { TransactionRecord } from '../schemas/generated.ts'
import { arrivals } from './arrivals.ts'
import { drawFrauds } from './generator-frauds.ts'
import { conflictOf, copyWith, returnsOf, spoiled } from './generator-variants.ts'
import { drawWorld, minorOf } from './generator-world.ts'
import { seeded } from './random.ts'

/** One generated transaction; what is not in the record is kept aside here. */
export interface Generated {
  readonly transaction: TransactionRecord
  /**
   * 0 = honest; 1-3 = scenario of the fraud handbook; 4 = card testing (a burst of small amounts). Returns have that
   * of their payment.
   */
  readonly fraud: 0 | 1 | 2 | 3 | 4
  /** What it was made as. Only 'payment' counts towards `payments`. */
  readonly made: 'payment' | 'return' | 'duplicate' | 'conflict' | 'bad'
  /** When it reaches us, milliseconds since 1970-01-01 UTC; the stream is in this order. */
  readonly arrivedAt: number
}

/** Shares are of the payments, 0 to 1; times in milliseconds. */
export interface GeneratorOptions {
  readonly seed: number
  /** Payments to generate; copies, conflicts, returns, bursts and bad ones come on top. */
  readonly payments: number
  readonly customers: number
  readonly terminals: number
  readonly banks: number
  /** ISO 4217; half of the customers live in the first one. */
  readonly currencies: readonly string[]
  /** Event time at which it begins, milliseconds since 1970-01-01 UTC: the midnight of day 0. */
  readonly start: number
  /**
   * Payments a second, as a mean over the day; null = what the handbook's customers make by themselves (two a day
   * each).
   */
  readonly paymentsPerSecond: number | null
  /** True: time of day ~ Normal(12 h, 20,000 s), as in the handbook; false: the same rate all day. */
  readonly daily: boolean
  /** Ends after so many days even when `payments` are not reached; null = no limit. */
  readonly days: number | null
  /** Payments from customer to customer, and from a shop to a customer: who pays also receives. */
  readonly transferShare: number
  readonly payoutShare: number
  /**
   * Payments in another currency than the customer's own; just over a border (where there is one); from a country far
   * away.
   */
  readonly foreignCurrencyShare: number
  readonly borderShare: number
  readonly travelShare: number
  /**
   * Refunds, reversals and chargebacks of earlier payments, some too much, in another currency, or of nothing known.
   */
  readonly returnShare: number
  readonly returnDelayMs: number
  /** Exact copies, and the same identity with other content. */
  readonly duplicateShare: number
  readonly conflictShare: number
  /** Copies and conflicts arrive up to this much later than the first. */
  readonly copyDelayMs: number
  /** Each payment arrives up to this much after its event time. */
  readonly disorderMs: number
  /** Payments that arrive up to lateMs late (beyond disorderMs), and others later than the dedup horizon of 24 h. */
  readonly lateShare: number
  readonly lateMs: number
  readonly tooLateShare: number
  /** Records with an invalid field or an implausible time. */
  readonly badShare: number
  /** Payments that begin a burst of small payments by one customer within a minute. */
  readonly burstShare: number
  /** Payments whose time is only exact to the second, or to the day (then at its midnight). */
  readonly secondShare: number
  readonly dayShare: number
}

const dayMs = 86_400_000

/** The handbook's simulation with two-way flows and some returns; clean otherwise. */
export const defaultGeneratorOptions: GeneratorOptions = {
  seed: 1,
  payments: 10_000,
  customers: 5_000,
  terminals: 10_000,
  banks: 8,
  currencies: ['EUR', 'USD', 'GBP', 'CZK', 'JPY'],
  start: Date.UTC(2026, 0, 5),
  paymentsPerSecond: null,
  daily: true,
  days: null,
  transferShare: 0.2,
  payoutShare: 0.05,
  foreignCurrencyShare: 0.03,
  borderShare: 0.005,
  travelShare: 0.002,
  returnShare: 0.03,
  returnDelayMs: 6 * 3_600_000,
  duplicateShare: 0.01,
  conflictShare: 0.0005,
  copyDelayMs: 600_000,
  disorderMs: 0,
  lateShare: 0,
  lateMs: 3_600_000,
  tooLateShare: 0,
  badShare: 0,
  burstShare: 0.0005,
  secondShare: 0,
  dayShare: 0,
}

/**
 * Most records under way at one time: the bound of memory. Beyond it copies, returns and the like are left out,
 * payments never.
 */
const underWayLimit = 200_000

/**
 * Generates transactions in order of arrival; memory depends on customers, terminals and what is under way, not on
 * `payments`. The same options give the same records. Throws a RangeError on options that cannot work.
 */
export function* generate(given: Partial<GeneratorOptions> = {}): Generator<Generated, void, undefined> {
  const options = { ...defaultGeneratorOptions, ...given }
  checkOptions(options)
  const random = seeded(options.seed)
  const world = drawWorld(random, options)
  const frauds = drawFrauds(random, options)
  const underWay = arrivals<Generated>()
  const perMs = options.paymentsPerSecond === null ? world.paymentsPerDay / dayMs : options.paymentsPerSecond / 1000
  const end = options.days === null ? Infinity : options.start + options.days * dayMs
  const later = (at: number, generated: Omit<Generated, 'arrivedAt'>): void => {
    if (underWay.size < underWayLimit) underWay.push(at, { ...generated, arrivedAt: at })
  }

  let clock = options.start
  let nextId = 1
  const newId = (): string => `T${String(nextId++).padStart(9, '0')}`

  for (let count = 0; count < options.payments; count++) {
    do clock += random.exponential() / (perMs * peakOverMean(options.daily))
    while (options.daily && !random.chance(dayProfile[Math.floor(((clock - options.start) % dayMs) / 60_000)]))
    if (clock >= end) break
    const at = Math.floor(clock)
    while (underWay.nextAt <= at) yield underWay.pop()!

    const { transaction, fraud } = draw(at)
    const arrivesAt = at + delay()
    const generated: Generated = { transaction, fraud, made: 'payment', arrivedAt: arrivesAt }
    if (arrivesAt === at) yield generated
    else underWay.push(arrivesAt, generated)
    follow(generated, arrivesAt)
  }
  for (let rest = underWay.pop(); rest !== undefined; rest = underWay.pop()) yield rest

  /** One payment at an event time. */
  function draw(at: number): { transaction: TransactionRecord; fraud: Generated['fraud'] } {
    const customer = world.someCustomer(random)
    const flow = random.uniform()
    const transfer = flow < options.transferShare
    const payout = !transfer && flow < options.transferShare + options.payoutShare
    const other = transfer ? world.customers[random.below(world.customers.length)] : customer
    const terminal = world.someTerminal(random, customer)
    let amount = customer.meanAmount * (1 + random.normal() / 2)
    if (amount < 0) amount = random.between(0, 2 * customer.meanAmount)
    const fraud = payout ? 0 : frauds.of(at, customer.index, transfer ? -1 : terminal.index, amount)
    if (fraud === 3) amount *= 5
    const foreign = random.chance(options.foreignCurrencyShare)
    const currency = foreign ? options.currencies[random.below(options.currencies.length)] : customer.currency
    const travel = random.chance(options.travelShare)
    const country = random.chance(options.borderShare) ? terminal.country : customer.country
    const precision = random.uniform()
    const day = precision < options.dayShare
    const second = !day && precision < options.dayShare + options.secondShare
    const payer = payout ? terminal : customer
    const payee = payout ? customer : transfer ? other : terminal
    const transaction: TransactionRecord = {
      producer: customer.producer,
      payerAccount: payer.account,
      transactionId: newId(),
      kind: 'PAYMENT',
      occurredAt: day ? at - (at % dayMs) : second ? at - (at % 1000) : at,
      payerBank: payer.bank,
      payeeAccount: payee.account,
      payeeBank: payee.bank,
      merchant: transfer || payout ? null : terminal.merchant,
      amountMinor: minorOf(amount, currency),
      currency,
      country: payout || random.chance(0.05) ? null : travel ? world.somewhereFar(random) : country,
      originalTransactionId: null,
      timePrecision: day ? 'DAY' : second ? 'SECOND' : 'MILLISECOND',
    }
    return { transaction, fraud }
  }

  /** How long after its event time a payment arrives. */
  function delay(): number {
    const disorder = options.disorderMs === 0 ? 0 : random.below(options.disorderMs + 1)
    if (random.chance(options.lateShare)) return options.disorderMs + random.below(options.lateMs + 1)
    return random.chance(options.tooLateShare) ? dayMs + random.below(dayMs) : disorder
  }

  /** What a payment brings with it: copies, conflicts, returns, bursts, bad ones. */
  function follow(generated: Generated, arrivesAt: number): void {
    const { transaction, fraud } = generated
    const copyAt = (): number => arrivesAt + random.below(options.copyDelayMs + 1)
    if (random.chance(options.duplicateShare)) later(copyAt(), { ...generated, made: 'duplicate' })
    if (random.chance(options.conflictShare)) {
      later(copyAt(), { ...generated, transaction: conflictOf(random, transaction), made: 'conflict' })
    }
    if (random.chance(options.returnShare)) {
      for (const { at, transaction: back } of returnsOf(random, transaction, arrivesAt, options, newId)) {
        later(at, { transaction: back, fraud, made: 'return' })
        if (random.chance(options.duplicateShare)) {
          later(at + random.below(options.copyDelayMs + 1), { transaction: back, fraud, made: 'duplicate' })
        }
      }
    }
    if (random.chance(options.badShare)) {
      const bad = spoiled(random, copyWith(transaction, { transactionId: newId() }))
      later(arrivesAt + random.below(1000), { transaction: bad, fraud: 0, made: 'bad' })
    }
    if (random.chance(options.burstShare)) {
      for (let more = 4 + random.below(12); more > 0; more--) {
        const at = transaction.occurredAt + random.below(60_000)
        const amountMinor = minorOf(random.between(0.1, 3), transaction.currency)
        const small = copyWith(transaction, { transactionId: newId(), occurredAt: at, amountMinor })
        later(Math.max(at, arrivesAt), { transaction: small, fraud: 4, made: 'payment' })
      }
    }
  }
}

/** exp(-z^2 / 2) of Normal(12 h, 20,000 s) for each minute of the day. */
const dayProfile = Float64Array.from({ length: 1440 }, (_, minute) => {
  const z = (minute * 60 + 30 - 43_200) / 20_000
  return Math.exp((-z * z) / 2)
})
const profileMean = dayProfile.reduce((a, b) => a + b) / dayProfile.length
/** By how much the rate at noon is above the mean rate. */
const peakOverMean = (daily: boolean): number => (daily ? 1 / profileMean : 1)

function checkOptions(options: GeneratorOptions): void {
  const positive = ['customers', 'terminals', 'banks'] as const
  for (const name of positive) {
    if (!(options[name] >= 1)) throw new RangeError(`generate: ${name} must be at least 1, not ${options[name]}.`)
  }
  if (options.currencies.length === 0) throw new RangeError('generate: name at least one currency.')
  if (options.paymentsPerSecond !== null && !(options.paymentsPerSecond > 0)) {
    throw new RangeError(`generate: paymentsPerSecond must be above 0, not ${options.paymentsPerSecond}.`)
  }
  if (!Number.isFinite(options.payments) && options.days === null) {
    throw new RangeError('generate: say how many payments, or how many days.')
  }
}
