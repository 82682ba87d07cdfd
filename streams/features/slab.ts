/** Blocks of words of different sizes in one growing array, reused when they are given back: records that grow. */

/** Sizes are multiples of 64 bytes, so that a small block is one cache line. */
const LINE_BYTES = 64

export class Slab<Words extends Float64Array | Int32Array> {
  /** Replaced by a larger array when `take` needs room: read it anew afterwards. */
  words: Words
  private readonly make: (words: number) => Words
  private readonly line: number
  private used: number
  /** Starts of blocks that were given back, by number of lines. */
  private readonly free: number[][] = []

  constructor(make: (words: number) => Words) {
    this.make = make
    this.words = make(1 << 14)
    this.line = LINE_BYTES / this.words.BYTES_PER_ELEMENT
    // Index 0 stands for no block.
    this.used = this.line
  }

  /** Words that a block for `words` really has. */
  sizeFor(words: number): number {
    return Math.ceil(words / this.line) * this.line
  }

  /** A block of zeros; `size` as sizeFor gives it. Returns the index of its first word. */
  take(size: number): number {
    const at = this.free[size / this.line]?.pop()
    if (at !== undefined) {
      // Not fill: a call of it costs more than the few lines that most blocks have.
      const { words } = this
      for (let i = at; i < at + size; i++) words[i] = 0
      return at
    }
    if (this.used + size > this.words.length) {
      const larger = this.make(Math.max(this.words.length * 2, this.used + size))
      larger.set(this.words as Float64Array & Int32Array)
      this.words = larger
    }
    this.used += size
    return this.used - size
  }

  give(at: number, size: number): void {
    ;(this.free[size / this.line] ??= []).push(at)
  }
}
