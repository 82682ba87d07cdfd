/** The JavaScript text of a compiled decoder around its fields: the loop over the rows, and what becomes of a faulty one. */

export interface LoopParts {
  /** How many lookup tables and how many arrays of columns there are. */
  readonly tables: number
  readonly arrays: number
  /** Lines that read the fields of a row. */
  readonly fields: readonly string[]
  /** Lines that put null into every column of a row. */
  readonly nulls: readonly string[]
  /** Whether what was written may be canonical at all. */
  readonly canonical: boolean
  readonly maxBytes: number
  readonly fault: { readonly malformed: number; readonly tooLarge: number }
}

/** The body of a function (readVarint, varintOut, tables) that returns the decoder. */
export function loopText({ tables, arrays, fields, nulls, canonical, maxBytes, fault }: LoopParts): string {
  const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
  return `'use strict'
${numbers(tables)
  .map((i) => `const t${i} = tables[${i}]`)
  .join('\n')}
return function decode(bytes, view, starts, ends, rows, count, arrays, canonicals, fault, tailAt) {
  ${numbers(arrays)
    .map((i) => `const c${i} = arrays[${i}]`)
    .join('; ')}
  let faults = 0
  for (let i = 0; i < count; i++) {
    const row = rows[i]
    const start = starts[row]
    const end = ends[row]
    let p = start + 5
    let canonical = ${canonical ? 1 : 0}
    decode: {
      if (p > end || end - start > ${maxBytes}) break decode
      ${fields.join('\n      ')}
      if (p !== end) break decode
      fault[row] = 0
      canonicals[row] = canonical
      continue
    }
    ${nulls.join('\n    ')}
    canonicals[row] = 0
    fault[row] = end - start > ${maxBytes} ? ${fault.tooLarge} : ${fault.malformed}
    faults++
  }
  return faults
}`
}
