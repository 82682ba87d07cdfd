/**
 * Row views: a cursor with one typed getter per column, compiled once and moved from row to row, so that rules read
 * plainly.
 */
import type { Column } from '../batch.ts'
import { murmur2 } from '../hash.ts'
import type { ColumnSpec } from './columns.ts'
import { SchemaError } from './schema.ts'

/**
 * A cursor over the columns of one frame. `T` is the generated row interface: numbers, enum symbols, booleans, texts as
 * handles; null where the column has null. The view and its text handles are reused: keep values, never the view.
 */
export interface RowView<T> {
  /** Takes the arrays of these columns; again for every frame, before the first move. */
  bind(columns: ReadonlyMap<string, Column>): void
  /** Moves to a row and returns the view, the same object every time. */
  moveTo(row: number): T
}

/** Text of a row, still in the arrival buffer. */
export class TextHandle {
  bytes: Uint8Array = new Uint8Array(0)
  offset = 0
  length = 0

  /** Same bytes. A string is compared as its UTF-8. */
  equals(other: TextHandle | string | { toString(): string }): boolean {
    if (other instanceof TextHandle) return this.sameBytes(other)
    const text = typeof other === 'string' ? other : other.toString()
    const { bytes, offset, length } = this
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code > 127) return this.toString() === text
      if (i >= length || bytes[offset + i] !== code) return false
    }
    return text.length === length
  }

  /** Murmur2 of the UTF-8 bytes, as Kafka partitions. */
  hash(): number {
    return murmur2(this.bytes, this.offset, this.length)
  }

  toString(): string {
    return decoder.decode(this.bytes.subarray(this.offset, this.offset + this.length))
  }

  private sameBytes(other: TextHandle): boolean {
    if (other.length !== this.length) return false
    for (let i = 0; i < this.length; i++) {
      if (this.bytes[this.offset + i] !== other.bytes[other.offset + i]) return false
    }
    return true
  }
}

const decoder = new TextDecoder()

/**
 * Compiles a row view over columns (see columnsOf; columns that operators add can be described likewise). A class per
 * view keeps its getters monomorphic: one shared getter over many layouts would be looked up at every call.
 * Raw columns have no getter. Errors: SchemaError for a name that a view cannot have.
 */
export function rowView<T extends object>(specs: readonly ColumnSpec[]): RowView<T> {
  const viewed = specs.filter((spec) => spec.kind !== 'raw')
  for (const { name } of viewed) {
    if (!/^[A-Za-z_][A-Za-z0-9_.]*$/.test(name) || name === 'constructor' || name === '__proto__') {
      throw new SchemaError(name, 'cannot be the name of a getter')
    }
  }
  const symbols = viewed.map((spec) => (spec.type.type === 'enum' ? spec.type.symbols : [false, true]))
  // oxlint-disable-next-line typescript/no-implied-eval -- names are checked above
  const make = new Function('TextHandle', 'symbols', classText(viewed)) as (
    handle: typeof TextHandle,
    symbols: readonly unknown[],
  ) => { view: T; move(row: number): void; bind(columns: readonly Column[]): void }
  const cursor = make(TextHandle, symbols)
  return {
    bind(columns) {
      cursor.bind(
        viewed.map(({ name, kind }) => {
          const column = columns.get(name)
          if (column?.kind !== kind) throw new Error(`the row view needs a ${kind} column '${name}'`)
          return column
        }),
      )
    },
    moveTo(row) {
      cursor.move(row)
      return cursor.view
    },
  }
}

/** State is in closure variables, not in fields: the view shows nothing but the row. */
function classText(specs: readonly ColumnSpec[]): string {
  const state = specs.map((spec, i) =>
    spec.kind === 'text'
      ? `let o${i}, l${i}; const t${i} = new TextHandle()`
      : `let c${i}; const s${i} = symbols[${i}]`,
  )
  const getters = specs.map((spec, i) => `  get '${spec.name}'() { ${getterBody(spec, i)} },`)
  const binds = specs.map((spec, i) =>
    spec.kind === 'text'
      ? `o${i} = columns[${i}].offsets; l${i} = columns[${i}].lengths; t${i}.bytes = columns[${i}].bytes`
      : `c${i} = columns[${i}].values`,
  )
  return `'use strict'
let at = 0
${state.join('\n')}
const view = Object.freeze({
${getters.join('\n')}
})
return { view, move(row) { at = row }, bind(columns) { ${binds.join('; ')} } }`
}

function getterBody(spec: ColumnSpec, i: number): string {
  switch (spec.kind) {
    case 'text':
      return `${spec.nullable ? `if (l${i}[at] < 0) return null; ` : ''}t${i}.offset = o${i}[at]; t${i}.length = l${i}[at]; return t${i}`
    case 'code':
      return `${spec.nullable ? `if (c${i}[at] === 255) return null; ` : ''}return s${i}[c${i}[at]]`
    default:
      return spec.nullable ? `const v = c${i}[at]; return v === v ? v : null` : `return c${i}[at]`
  }
}
