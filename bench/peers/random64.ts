/** SplitMix64 (Vigna, public domain) in two 32-bit halves: the same numbers as the Java peer's, without a BigInt each. */

const GOLDEN = [0x9e3779b9, 0x7f4a7c15] as const
const FIRST = [0xbf58476d, 0x1ce4e5b9] as const
const SECOND = [0x94d049bb, 0x133111eb] as const

/** Upper 32 bits of a product of two unsigned 32-bit integers. */
function upper(a: number, b: number): number {
  const [a0, a1, b0, b1] = [a & 0xffff, a >>> 16, b & 0xffff, b >>> 16]
  const [p01, p10] = [a0 * b1, a1 * b0]
  const middle = ((a0 * b0) >>> 16) + (p01 & 0xffff) + (p10 & 0xffff)
  return a1 * b1 + (p01 >>> 16) + (p10 >>> 16) + (middle >>> 16)
}

export class Random64 {
  /** The number drawn last, as two unsigned halves. */
  high = 0
  low = 0
  private stateHigh: number
  private stateLow: number

  constructor(seed: number) {
    const state = BigInt.asUintN(64, BigInt(seed) * 0x9e3779b97f4a7c15n + 1n)
    this.stateHigh = Number(state >> 32n)
    this.stateLow = Number(state & 0xffffffffn)
  }

  /** Draws 64 bits into `high` and `low`. */
  draw(): void {
    const sum = this.stateLow + GOLDEN[1]
    this.stateLow = sum >>> 0
    this.stateHigh = (this.stateHigh + GOLDEN[0] + (sum > 0xffffffff ? 1 : 0)) >>> 0
    this.high = this.stateHigh
    this.low = this.stateLow
    this.mix(30)
    this.times(FIRST[0], FIRST[1])
    this.mix(27)
    this.times(SECOND[0], SECOND[1])
    this.mix(31)
  }

  /** From 0 to n - 1; n below 2^20, so that the remainder stays exact in doubles. */
  below(n: number): number {
    this.draw()
    const high = this.high >>> 1
    const low = (((this.high & 1) << 31) | (this.low >>> 1)) >>> 0
    return ((high % n) * (2 ** 32 % n) + low) % n
  }

  /** From 0 to 1, 53 bits. */
  unit(): number {
    this.draw()
    return (this.high * 2 ** 21 + (this.low >>> 11)) * 2 ** -53
  }

  /** z ^= z >>> bits, for bits below 32. */
  private mix(bits: number): void {
    this.low = (this.low ^ ((this.low >>> bits) | (this.high << (32 - bits)))) >>> 0
    this.high = (this.high ^ (this.high >>> bits)) >>> 0
  }

  private times(high: number, low: number): void {
    const carried = upper(this.low, low) + Math.imul(this.low, high) + Math.imul(this.high, low)
    this.low = Math.imul(this.low, low) >>> 0
    this.high = carried >>> 0
  }
}
