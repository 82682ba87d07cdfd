/** Amount against the account's own history: a running mean and deviation in integers, no clock, no division by chance. */

const MEAN = 0
const DEVIATION = 1
const SEEN = 2

/**
 * x = 256 * min(amountMinor, 2^40). First payment: mean = x, deviation = floor(x / 4), feature absent. Else
 * s = max(deviation, floor(mean / 8), 256), feature = floor(16 (x - mean) / s), e = clip(x - mean, -4 s, 4 s),
 * mean += floor(e / 16), deviation += floor((|e| - deviation) / 16). Source: SEMANTICS, "History".
 */
export const amountHistory = {
  name: 'amountDeviation',
  needs: ['amountMinor'],
  windowMs: -1,
  slots: 3,
  step(state: Float64Array, at: number, amountMinor: number): number {
    const x = 256 * (amountMinor < 2 ** 40 ? amountMinor : 2 ** 40)
    if (state[at + SEEN] === 0) {
      state[at + SEEN] = 1
      state[at + MEAN] = x
      state[at + DEVIATION] = Math.floor(x / 4)
      return NaN
    }
    const mean = state[at + MEAN]
    const deviation = state[at + DEVIATION]
    const usual = Math.max(deviation, Math.floor(mean / 8), 256)
    const error = Math.max(-4 * usual, Math.min(4 * usual, x - mean))
    state[at + MEAN] = mean + Math.floor(error / 16)
    state[at + DEVIATION] = deviation + Math.floor((Math.abs(error) - deviation) / 16)
    return Math.floor((16 * (x - mean)) / usual)
  },
} as const
