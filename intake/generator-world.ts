/** The people and shops of the generator: customers and terminals on a square, with banks, currencies and countries. */
import { exponentOf } from '../schemas/currencies.ts'
import type { Random } from './random.ts'

/** Side of the square and how far a customer goes to a terminal, as in the fraud handbook. */
const side = 100
const radius = 5
const cells = side / radius

/** Countries side by side along the square: who lives at a border shops on both sides. */
const countryBands = ['PT', 'ES', 'FR', 'BE', 'DE', 'CZ', 'AT', 'SK', 'PL', 'LT']
/** Where travellers pay. */
const farCountries = ['US', 'JP', 'BR', 'AU', 'ZA', 'SG', 'AE', 'CA']

/** Roughly how many of a currency make one euro, so that amounts look right; nothing is converted. */
const perEuro: Record<string, number> = {
  JPY: 160,
  CZK: 25,
  HUF: 400,
  PLN: 4,
  KRW: 1500,
  KWD: 0.33,
  INR: 90,
  CLP: 1000,
}

export interface Customer {
  readonly index: number
  readonly account: string
  readonly bank: string
  readonly producer: string
  readonly currency: string
  readonly country: string
  readonly x: number
  readonly y: number
  /** Mean of the customer's amounts, in euros; the standard deviation is half of it. */
  readonly meanAmount: number
}

export interface Terminal {
  readonly index: number
  readonly account: string
  readonly bank: string
  readonly merchant: string
  readonly country: string
  readonly x: number
  readonly y: number
}

export interface World {
  readonly customers: readonly Customer[]
  readonly terminals: readonly Terminal[]
  /** Payments a day of all customers together. */
  readonly paymentsPerDay: number
  /** A customer, each as often as it pays. */
  someCustomer(random: Random): Customer
  /** A terminal in reach of the customer, or any one when none is. */
  someTerminal(random: Random, customer: Customer): Terminal
  /** A country far from all of these. */
  somewhereFar(random: Random): string
}

/** How many of everything; see GeneratorOptions. */
export interface WorldOptions {
  readonly customers: number
  readonly terminals: number
  readonly banks: number
  readonly currencies: readonly string[]
}

const numbered = (prefix: string, i: number, digits: number): string => prefix + String(i + 1).padStart(digits, '0')
const bandOf = (x: number): string => countryBands[Math.floor((x / side) * countryBands.length)]

/** Minor units of an amount in euros, in a currency of about the same worth; at least one. */
export function minorOf(euros: number, currency: string): number {
  return Math.max(1, Math.round(euros * (perEuro[currency] ?? 1) * 10 ** exponentOf(currency)))
}

/** Draws the world: mean amounts U(5, 100), payments a day U(0, 4), places uniform, as in the fraud handbook. */
export function drawWorld(random: Random, options: WorldOptions): World {
  const bank = (): string => numbered('bank-', random.below(options.banks), 2)
  const terminals: Terminal[] = []
  const grid: number[][] = Array.from({ length: cells * cells }, () => [])
  const cell = (v: number): number => Math.floor(v / radius)
  for (let index = 0; index < options.terminals; index++) {
    const x = random.between(0, side)
    const y = random.between(0, side)
    const merchant = numbered('merchant-', index, 5)
    terminals.push({ index, account: numbered('M', index, 7), bank: bank(), merchant, country: bandOf(x), x, y })
    grid[cell(y) * cells + cell(x)].push(index)
  }

  const customers: Customer[] = []
  const upTo = new Float64Array(options.customers)
  let paymentsPerDay = 0
  for (let index = 0; index < options.customers; index++) {
    const x = random.between(0, side)
    // Most live in the first currency; the others share the rest.
    const { currencies } = options
    const currency = random.chance(0.5) ? currencies[0] : currencies[random.below(currencies.length)]
    customers.push({
      index,
      account: numbered('C', index, 7),
      bank: bank(),
      producer: index % 4 === 3 ? 'app' : 'cards',
      currency,
      country: bandOf(x),
      x,
      y: random.between(0, side),
      meanAmount: random.between(5, 100),
    })
    paymentsPerDay += random.between(0, 4)
    upTo[index] = paymentsPerDay
  }

  return {
    customers,
    terminals,
    paymentsPerDay,
    someCustomer(random) {
      const target = random.uniform() * paymentsPerDay
      let low = 0
      let high = customers.length - 1
      while (low < high) {
        const middle = (low + high) >> 1
        if (upTo[middle] > target) high = middle
        else low = middle + 1
      }
      return customers[low]
    },
    someTerminal(random, customer) {
      const left = Math.max(0, cell(customer.x) - 1)
      const right = Math.min(cells - 1, cell(customer.x) + 1)
      const top = Math.max(0, cell(customer.y) - 1)
      const bottom = Math.min(cells - 1, cell(customer.y) + 1)
      let all = 0
      for (let row = top; row <= bottom; row++) for (let c = left; c <= right; c++) all += grid[row * cells + c].length
      // A third of the neighbouring cells is in reach: 64 tries miss only where there is next to nothing.
      for (let tries = 0; all > 0 && tries < 64; tries++) {
        let pick = random.below(all)
        for (let row = top; row <= bottom; row++) {
          for (let c = left; c <= right; c++) {
            const here = grid[row * cells + c]
            if (pick >= 0 && pick < here.length) {
              const terminal = terminals[here[pick]]
              if ((terminal.x - customer.x) ** 2 + (terminal.y - customer.y) ** 2 < radius ** 2) return terminal
            }
            pick -= here.length
          }
        }
      }
      return terminals[random.below(terminals.length)]
    },
    somewhereFar: (random) => farCountries[random.below(farCountries.length)],
  }
}
