/**
 * Running digests of outputs: per (task, topic) a count and the sum mod 2^128 of a 128-bit hash of every record. Additive,
 * so resumable and independent of batches and commits. It finds faults, not attackers.
 */

import { createHash } from 'node:crypto'
import { hash128, type HashKey } from './hash.ts'

const LANE = 2 ** 32
/** Lanes are carried over before a double could round. */
const CARRY_EVERY = 2 ** 20

export class RunningDigest {
  count = 0
  private readonly key: HashKey
  private readonly lanes = new Float64Array(4)
  private readonly hash = new Int32Array(4)
  private pending = 0

  /** The topic's name is part of every hash. `state`: what `toString` gave. */
  constructor(topic: string, state = '') {
    const seed = createHash('sha256').update(`sluice/${topic}`).digest()
    this.key = Int32Array.from([0, 4, 8, 12], (at) => seed.readInt32LE(at))
    if (state === '') return
    const [count, sum] = state.split(':')
    this.count = Number(count)
    for (let lane = 0; lane < 4; lane++) this.lanes[lane] = Number.parseInt(sum.slice(lane * 8, lane * 8 + 8), 16)
  }

  /** Adds one record: its Avro bytes, which hold task, seq, logical time and all that its key is made of. */
  add(bytes: Uint8Array, offset: number, length: number): void {
    const { hash, lanes } = this
    hash128(bytes, offset, length, this.key, hash, 0)
    lanes[0] += hash[0] >>> 0
    lanes[1] += hash[1] >>> 0
    lanes[2] += hash[2] >>> 0
    lanes[3] += hash[3] >>> 0
    this.count++
    if (++this.pending >= CARRY_EVERY) this.carry()
  }

  /** Adds the records whose bytes stand from starts[i] + prefix to ends[i] - 1. */
  addAll(bytes: Uint8Array, starts: Int32Array, ends: Int32Array, count: number, prefix: number): void {
    for (let i = 0; i < count; i++) this.add(bytes, starts[i] + prefix, ends[i] - starts[i] - prefix)
  }

  private carry(): void {
    const { lanes } = this
    let carried = 0
    for (let lane = 3; lane >= 0; lane--) {
      const value = lanes[lane] + carried
      carried = Math.floor(value / LANE)
      lanes[lane] = value - carried * LANE
    }
    this.pending = 0
  }

  /** 'count:sum', the sum as 32 hex digits. */
  toString(): string {
    this.carry()
    return `${this.count}:${Array.from(this.lanes, (lane) => lane.toString(16).padStart(8, '0')).join('')}`
  }
}

/** Digest of a run: SHA-256, hex, over the sorted lines 'task topic count:sum' of topics with records. */
export function runDigest(entries: readonly { task: number; topic: string; digest: string }[]): string {
  const lines = entries
    .filter(({ digest }) => !digest.startsWith('0:'))
    .map(({ task, topic, digest }) => `${topic} ${task} ${digest}`)
    .sort()
  return createHash('sha256').update(lines.join('\n')).digest('hex')
}
