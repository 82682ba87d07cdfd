/** How fast an account would have had to travel from its last located payment: whole kilometers per hour. */

import { kilometersBetween, noCountry } from './kilometers.ts'

const COUNTRY = 0
const SECOND = 1
/** TimePrecision DAY: the time says nothing about speed. */
const DAY = 2

/**
 * floor(km * 3600 / max(1, |second - last second|)) from the located payment with the largest second (at equal seconds
 * the later record). Absent without two located payments. Source: decision 0001, item 17.
 */
export const travel = {
  name: 'kilometersPerHour',
  needs: ['countryIndex', 'occurredAt', 'timePrecision'],
  windowMs: -1,
  slots: 2,
  step(state: Float64Array, at: number, country: number, occurredAt: number, precision: number): number {
    if (country === noCountry || precision === DAY) return NaN
    const second = Math.floor(occurredAt / 1000)
    const lastSecond = state[at + SECOND]
    // Slots start at 0; a located payment never has second 0 (1990 is the earliest).
    const located = lastSecond > 0
    const speed = located
      ? Math.floor(
          (kilometersBetween(state[at + COUNTRY], country) * 3600) / Math.max(1, Math.abs(second - lastSecond)),
        )
      : NaN
    if (!located || second >= lastSecond) {
      state[at + COUNTRY] = country
      state[at + SECOND] = second
    }
    return speed
  },
} as const
