/** What an operator keeps: loaded at takeover or on demand, written behind in deltas. */

import type { StateKey, TaskState } from './backend.ts'
import type { Frame } from './batch.ts'
import { PackedPuts } from './puts.ts'

/** Keys that a step needs and that are not in memory. `absorb` is called with their values, in order, before the step. */
export interface Missing {
  readonly keys: readonly StateKey[]
  absorb(values: readonly (Uint8Array | undefined)[]): void
  /** After `absorb`: what turned out to be needed besides. */
  more?(): Missing | null
}

export interface Store {
  readonly name: string
  /** Fills what must be in memory at takeover. */
  load(state: TaskState): Promise<void>
  /** Says which keys rows [from, to) of the frame need that are not in memory; over-asking is allowed. */
  missing?(frame: Frame, from: number, to: number): Missing | null
  /** Serialises everything changed since the last save, and counts it as saved. */
  save(delta: DeltaBuilder): void
  /** Entries changed since the last save. */
  readonly dirtyEntries: number
  /** Records with a sequence number that was there already, dropped. */
  readonly dropped?: number
  /** Between steps: stream time has come this far. */
  advance?(streamTime: number): void
  /** The delta up to this position is stored: what is read from now on has it. At any time, also within a step. */
  stored?(to: number): void
}

/** Collects the delta of one commit. */
export class DeltaBuilder {
  readonly puts = new PackedPuts()
  readonly removes: StateKey[] = []
  readonly dropKinds: string[] = []
  /** The position that the delta leads to. */
  readonly to: number
  /** The same as 8 bytes, big endian: a key that no other delta uses. */
  readonly positionKey: Uint8Array

  constructor(to: number) {
    this.to = to
    this.positionKey = new Uint8Array(8)
    new DataView(this.positionKey.buffer).setBigUint64(0, BigInt(to))
  }

  put(kind: string, key: Uint8Array, value: Uint8Array): void {
    this.puts.begin(kind).raw(key)
    this.puts.value().raw(value)
    this.puts.end()
  }

  remove(kind: string, key: Uint8Array): void {
    this.removes.push({ kind, key })
  }

  dropKind(kind: string): void {
    this.dropKinds.push(kind)
  }
}
