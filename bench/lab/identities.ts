/** The yardstick's dedup: 128 bits of a UUID, exact, in two generations of open addressing. */

/** Value of a hexadecimal digit, by its character code. */
const HEX = new Int32Array(256)
for (let digit = 0; digit < 16; digit++) HEX[digit.toString(16).charCodeAt(0)] = digit

/** Eight hexadecimal digits of a UUID from `at` on, `dash` of them in front of a dash (8 = no dash). */
const word = (bytes: Uint8Array, at: number, dash: number): number => {
  const behind = at + (dash < 8 ? 1 : 0)
  const middle = dash === 4 ? behind : at
  return (
    (HEX[bytes[at]] << 28) |
    (HEX[bytes[at + 1]] << 24) |
    (HEX[bytes[at + 2]] << 20) |
    (HEX[bytes[at + 3]] << 16) |
    (HEX[bytes[middle + 4]] << 12) |
    (HEX[bytes[middle + 5]] << 8) |
    (HEX[bytes[middle + 6]] << 4) |
    HEX[bytes[middle + 7]]
  )
}

export class Identities {
  private readonly capacity: number
  private readonly mask: number
  private current: Int32Array
  private previous: Int32Array
  private size = 0
  private previousSize = 0
  private readonly words: readonly [Int32Array, Int32Array, Int32Array, Int32Array]
  /** Keeps the look-ahead pass from being optimised away. */
  touched = 0

  constructor(capacity: number, rows: number) {
    this.capacity = capacity
    let slots = 1
    while (slots < capacity * 2) slots *= 2
    this.mask = slots - 1
    this.current = new Int32Array(slots * 4)
    this.previous = new Int32Array(slots * 4)
    this.words = [new Int32Array(rows), new Int32Array(rows), new Int32Array(rows), new Int32Array(rows)]
  }

  /** Keeps the starts of values whose UUID (behind one byte of length) is new, and returns how many they are. */
  keepNew(bytes: Uint8Array, starts: Int32Array, rows: number, kept: Int32Array): number {
    const [a, b, c, d] = this.words
    for (let row = 0; row < rows; row++) {
      const at = starts[row] + 1
      a[row] = word(bytes, at, 8)
      b[row] = word(bytes, at + 9, 4)
      c[row] = word(bytes, at + 19, 4)
      d[row] = word(bytes, at + 28, 8)
    }
    let touched = 0
    for (let row = 0; row < rows; row++) {
      const slot = ((a[row] ^ Math.imul(c[row], 0x9e3779b1)) & this.mask) << 2
      touched ^= this.current[slot]
      if (this.previousSize > 0) touched ^= this.previous[slot]
    }
    this.touched = touched
    let count = 0
    for (let row = 0; row < rows; row++) {
      if (this.isNew(a[row], b[row], c[row], d[row])) kept[count++] = starts[row]
    }
    return count
  }

  private isNew(a: number, b: number, c: number, d: number): boolean {
    const slot = freeSlot(this.current, this.mask, a, b, c, d)
    if (slot < 0) return false
    if (this.previousSize > 0 && freeSlot(this.previous, this.mask, a, b, c, d) < 0) return false
    const table = this.current
    table[slot] = a
    table[slot + 1] = b
    table[slot + 2] = c
    table[slot + 3] = d
    if (++this.size >= this.capacity) {
      this.current = this.previous
      this.previous = table
      this.previousSize = this.size
      this.current.fill(0)
      this.size = 0
    }
    return true
  }
}

/** Where the identity may be put, or -1 when it is there. */
function freeSlot(table: Int32Array, mask: number, a: number, b: number, c: number, d: number): number {
  for (let slot = (a ^ Math.imul(c, 0x9e3779b1)) & mask; ; slot = (slot + 1) & mask) {
    const at = slot << 2
    const [w, x, y, z] = [table[at], table[at + 1], table[at + 2], table[at + 3]]
    if (w === a && x === b && y === c && z === d) return -1
    if (w === 0 && x === 0 && y === 0 && z === 0) return at
  }
}
