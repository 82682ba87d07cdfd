/** Who is a victim when: the three scenarios of the fraud handbook, drawn day by day. */
import type { Random } from './random.ts'

const dayMs = 86_400_000
/** Scenario 1: an amount above this, in euros. */
const largeAmount = 220
/** Scenario 2: terminals taken over each day, and for how many days. */
const terminalsADay = 2
const terminalDays = 28
/**
 * Scenario 3: customers whose card data leak each day, and for how many days a third of their payments is somebody
 * else's.
 */
const customersADay = 3
const customerDays = 14

export interface Frauds {
  /** Scenario (0 = honest) of a payment; terminal -1 = none. Event times do not go back by more than one call's day. */
  of(at: number, customer: number, terminal: number, amount: number): 0 | 1 | 2 | 3
}

/** A later scenario overrules an earlier one, as in the handbook. */
export function drawFrauds(random: Random, options: { start: number; customers: number; terminals: number }): Frauds {
  const terminalUntil = new Int32Array(options.terminals)
  const customerUntil = new Int32Array(options.customers)
  let drawnDays = 0
  return {
    of(at, customer, terminal, amount) {
      const day = Math.floor((at - options.start) / dayMs)
      for (; drawnDays <= day; drawnDays++) {
        for (let i = 0; i < terminalsADay; i++)
          terminalUntil[random.below(options.terminals)] = drawnDays + terminalDays
        for (let i = 0; i < customersADay; i++)
          customerUntil[random.below(options.customers)] = drawnDays + customerDays
      }
      if (customerUntil[customer] > day && random.chance(1 / 3)) return 3
      if (terminal >= 0 && terminalUntil[terminal] > day) return 2
      return amount > largeAmount ? 1 : 0
    },
  }
}
