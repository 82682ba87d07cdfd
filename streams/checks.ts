/** Validity as columns: each check is one loop over the rows that are still alive and marks the first fault of a row. */

import type { Column, Frame, TextColumn } from './batch.ts'

/** What a field must be; `reason` names the dead letter. Listed in order of precedence. */
export type Check =
  | {
      readonly reason: string
      readonly text: string
      readonly min: number
      readonly max: number
      readonly optional?: true
    }
  | {
      readonly reason: string
      readonly text: string
      readonly min: number
      readonly max: number
      readonly unless: Unless
    }
  | { readonly reason: string; readonly number: string; readonly min: number; readonly max: number }
  /** A code column must not be 255; where `present` names a text column, only when that text is there. */
  | { readonly reason: string; readonly known: string; readonly present?: string }
  /** A text, when there, must be exactly these many capital letters. */
  | { readonly reason: string; readonly capitals: string; readonly length: number }

interface Unless {
  readonly code: string
  readonly is: number
}

/** Marks dead[row] = first failing check + `base` for rows of `selection` whose dead is 0. */
export function check(
  checks: readonly Check[],
  frame: Frame,
  selection: Int32Array,
  count: number,
  dead: Uint8Array,
  base: number,
): void {
  checks.forEach((one, index) => {
    // A function per kind: one with a loop for each is never compiled well as a whole.
    const mark = base + index
    if ('number' in one) numbers(one, column(frame, one.number, 'number').values, selection, count, dead, mark)
    else if ('known' in one) {
      const lengths = one.present === undefined ? null : column(frame, one.present, 'text').lengths
      known(column(frame, one.known, 'code').values, lengths, selection, count, dead, mark)
    } else if ('capitals' in one)
      capitals(one.length, column(frame, one.capitals, 'text'), selection, count, dead, mark)
    else {
      const unless = 'unless' in one ? one.unless : null
      const codes = unless === null ? null : column(frame, unless.code, 'code').values
      const text = column(frame, one.text, 'text')
      texts(one, 'optional' in one, text, codes, unless?.is ?? 0, selection, count, dead, mark)
    }
  })
}

interface Range {
  readonly min: number
  readonly max: number
}

function numbers(
  { min, max }: Range,
  values: Float64Array,
  selection: Int32Array,
  count: number,
  dead: Uint8Array,
  mark: number,
): void {
  for (let i = 0; i < count; i++) {
    const row = selection[i]
    if (dead[row] === 0 && !(values[row] >= min && values[row] <= max)) dead[row] = mark
  }
}

function known(
  values: Uint8Array,
  lengths: Int32Array | null,
  selection: Int32Array,
  count: number,
  dead: Uint8Array,
  mark: number,
): void {
  for (let i = 0; i < count; i++) {
    const row = selection[i]
    if (dead[row] === 0 && values[row] === 255 && (lengths === null || lengths[row] >= 0)) dead[row] = mark
  }
}

function capitals(
  length: number,
  { bytes, offsets, lengths }: TextColumn,
  selection: Int32Array,
  count: number,
  dead: Uint8Array,
  mark: number,
): void {
  for (let i = 0; i < count; i++) {
    const row = selection[i]
    if (dead[row] !== 0 || lengths[row] < 0) continue
    let good = lengths[row] === length
    for (let k = 0; good && k < length; k++) {
      const byte = bytes[offsets[row] + k]
      good = byte >= 65 && byte <= 90
    }
    if (!good) dead[row] = mark
  }
}

function texts(
  { min, max }: Range,
  optional: boolean,
  { bytes, offsets, lengths }: TextColumn,
  codes: Uint8Array | null,
  unless: number,
  selection: Int32Array,
  count: number,
  dead: Uint8Array,
  mark: number,
): void {
  for (let i = 0; i < count; i++) {
    const row = selection[i]
    const length = lengths[row]
    // So many bytes are no more characters than that.
    if (length >= min && length <= max) continue
    if (dead[row] !== 0 || (codes !== null && codes[row] === unless) || (length < 0 && optional)) continue
    if (length < min || length > max * 4 || characters(bytes, offsets[row], length) > max) dead[row] = mark
  }
}

/** Unicode code points of UTF-8 bytes. */
function characters(bytes: Uint8Array, offset: number, length: number): number {
  let count = 0
  for (let i = 0; i < length; i++) if ((bytes[offset + i] & 0xc0) !== 0x80) count++
  return count
}

function column<K extends Column['kind']>(frame: Frame, name: string, kind: K): Extract<Column, { kind: K }> {
  const found = frame.columns.get(name)
  if (found?.kind !== kind) throw new Error(`no ${kind} column '${name}'`)
  return found as Extract<Column, { kind: K }>
}
