/** A small seeded source of numbers (sfc32): the same seed gives the same payments on every machine. */

export interface Random {
  /** From 0 (inclusive) to 1 (exclusive), in steps of 2^-32. */
  uniform(): number
  /** Integer from 0 to n - 1. */
  below(n: number): number
  /** True with this probability. */
  chance(probability: number): boolean
  /** From low (inclusive) to high (exclusive). */
  between(low: number, high: number): number
  /** Standard normal, as the sum of twelve uniforms less six: close enough in the middle, never beyond six. */
  normal(): number
  /** Exponential with mean 1: the wait for the next event of a Poisson process of rate 1. */
  exponential(): number
}

/** Random numbers from a seed (any integer). sfc32 by Chris Doty-Humphrey (PractRand), public domain. */
export function seeded(seed: number): Random {
  let a = seed >>> 0
  let b = Math.floor(seed / 2 ** 32) >>> 0
  let c = 0x9e3779b9
  let counter = 1
  const next = (): number => {
    const t = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (c << 21) | (c >>> 11)
    c = (c + t) | 0
    return t >>> 0
  }
  // The first outputs still show the seed; twelve rounds are what the author recommends.
  for (let i = 0; i < 12; i++) next()
  const uniform = (): number => next() / 4294967296
  return {
    uniform,
    below: (n) => Math.floor(uniform() * n),
    chance: (probability) => uniform() < probability,
    between: (low, high) => low + uniform() * (high - low),
    normal: () => {
      let sum = -6
      for (let i = 0; i < 12; i++) sum += uniform()
      return sum
    },
    exponential: () => -Math.log(1 - uniform()),
  }
}
