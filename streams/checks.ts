/** Validity as columns: each check is one loop over the rows that are still alive and marks the first fault of a row. */

import type { Column, Frame } from './batch.ts'

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
    const mark = base + index
    if ('number' in one) {
      const { values } = column(frame, one.number, 'number')
      for (let i = 0; i < count; i++) {
        const row = selection[i]
        if (dead[row] === 0 && !(values[row] >= one.min && values[row] <= one.max)) dead[row] = mark
      }
    } else if ('known' in one) {
      const { values } = column(frame, one.known, 'code')
      const lengths = one.present === undefined ? null : column(frame, one.present, 'text').lengths
      for (let i = 0; i < count; i++) {
        const row = selection[i]
        if (dead[row] === 0 && values[row] === 255 && (lengths === null || lengths[row] >= 0)) dead[row] = mark
      }
    } else if ('capitals' in one) {
      const { bytes, offsets, lengths } = column(frame, one.capitals, 'text')
      for (let i = 0; i < count; i++) {
        const row = selection[i]
        if (dead[row] !== 0 || lengths[row] < 0) continue
        let good = lengths[row] === one.length
        for (let k = 0; good && k < one.length; k++) {
          const byte = bytes[offsets[row] + k]
          good = byte >= 65 && byte <= 90
        }
        if (!good) dead[row] = mark
      }
    } else {
      const { bytes, offsets, lengths } = column(frame, one.text, 'text')
      const optional = 'optional' in one
      const unless = 'unless' in one ? one.unless : null
      const codes = unless === null ? null : column(frame, unless.code, 'code').values
      for (let i = 0; i < count; i++) {
        const row = selection[i]
        if (dead[row] !== 0 || (codes !== null && codes[row] === unless?.is)) continue
        const length = lengths[row]
        if (length >= one.min && length <= one.max) continue
        if (length < 0 && optional) continue
        if (length < one.min || length > one.max * 4 || characters(bytes, offsets[row], length) > one.max)
          dead[row] = mark
      }
    }
  })
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
