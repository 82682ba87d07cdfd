/**
 * The puts of a delta without an object for each: keys and values one after the other in common buffers. A delta has
 * hundreds of thousands; as objects with two arrays each they cost more to collect than to write.
 */

import type { Put, Puts } from './backend.ts'
import { ByteWriter } from './bytes.ts'

/** Words per entry: number of its buffer, where it begins in it, length of the key, where the value ends. */
const WORDS = 4

export class PackedPuts implements Iterable<Put> {
  length = 0
  /** Buffers are whole arrays of their own and are never written again where an entry has ended. */
  private readonly buffers: Uint8Array[] = []
  private readonly writer = new ByteWriter(0)
  private entries = new Int32Array(256)
  /** Runs of one kind: its name and the number of its first entry. */
  private readonly runs: { kind: string; first: number }[] = []
  private keyLength = 0

  /** Begins an entry: its key is written next, with what this returns; then comes `value`. */
  begin(kind: string): ByteWriter {
    if (this.runs.at(-1)?.kind !== kind) this.runs.push({ kind, first: this.length })
    return this.writer
  }

  /** The key is written, the value comes next; then `end`. */
  value(): ByteWriter {
    this.keyLength = this.writer.length
    return this.writer
  }

  end(): void {
    const { buffer, from, to } = this.writer.cut()
    if (this.buffers.at(-1) !== buffer) this.buffers.push(buffer)
    if ((this.length + 1) * WORDS > this.entries.length) {
      const larger = new Int32Array(this.entries.length * 2)
      larger.set(this.entries)
      this.entries = larger
    }
    const at = this.length++ * WORDS
    this.entries[at] = this.buffers.length - 1
    this.entries[at + 1] = from
    this.entries[at + 2] = this.keyLength
    this.entries[at + 3] = to
  }

  /** Visits every entry: its key is bytes[from .. middle - 1], its value bytes[middle .. to - 1]. */
  each(visit: (kind: string, bytes: Uint8Array, from: number, middle: number, to: number) => void): void {
    const { runs, entries, buffers } = this
    runs.forEach(({ kind, first }, run) => {
      const end = run + 1 < runs.length ? runs[run + 1].first : this.length
      for (let at = first * WORDS; at < end * WORDS; at += WORDS) {
        const from = entries[at + 1]
        visit(kind, buffers[entries[at]], from, from + entries[at + 2], entries[at + 3])
      }
    })
  }

  *[Symbol.iterator](): Generator<Put> {
    let run = 0
    for (let entry = 0; entry < this.length; entry++) {
      while (run + 1 < this.runs.length && this.runs[run + 1].first <= entry) run++
      const [buffer, from, keyLength, to] = this.entries.subarray(entry * WORDS, (entry + 1) * WORDS)
      const bytes = this.buffers[buffer]
      yield {
        kind: this.runs[run].kind,
        key: bytes.subarray(from, from + keyLength),
        value: bytes.subarray(from + keyLength, to),
      }
    }
  }
}

/** Visits puts of either form: key and value as slices of an array each. */
export function eachPut(
  puts: Puts,
  visit: (
    kind: string,
    keys: Uint8Array,
    keyFrom: number,
    keyTo: number,
    values: Uint8Array,
    valueFrom: number,
    valueTo: number,
  ) => void,
): void {
  if (puts instanceof PackedPuts) {
    puts.each((kind, bytes, from, middle, to) => visit(kind, bytes, from, middle, bytes, middle, to))
  } else for (const { kind, key, value } of puts) visit(kind, key, 0, key.length, value, 0, value.length)
}
