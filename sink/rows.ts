/** Avro bytes of an output record to a RowBinary row of its table, by a function compiled once per record type. */
import { parseSchema } from '../streams/avro/schema.ts'
import type { Arena } from '../streams/arena.ts'
import { SinkError } from './errors.ts'
import { RowSource, type RowColumn } from './row-source.ts'

export type { RowColumn } from './row-source.ts'

export interface RowWriter {
  /** Columns in the order of the row. */
  readonly columns: readonly RowColumn[]
  /**
   * Appends the record in bytes[at, end) (without wire prefix) as one row. Errors: SLUICE_SINK_RECORD when the bytes are
   * not one whole record; the arena's position is then where it was.
   */
  write(bytes: Uint8Array, at: number, end: number, arena: Arena): void
}

type Convert = (
  bytes: Uint8Array,
  at: number,
  end: number,
  out: Uint8Array,
  outView: DataView,
  at0: number,
  fail: (what: string) => never,
  varuint: (out: Uint8Array, at: number, value: number) => number,
  widen: (out: Uint8Array, at: number, end: number, count: number) => number,
) => number

/** Compiles the writer of one record type. `schema`: .avsc text of a pinned schema. */
export function compileRows(schema: string): RowWriter {
  const source = new RowSource(instants(JSON.parse(schema))).record(parseSchema(schema))
  const body = `let p = at, o = at0, n = 0, b = 0, s = 0, g = 0, z = 0
${source.text()}
if (p !== end) fail('bytes after its last field, or too few')
return o`
  // oxlint-disable-next-line typescript/no-implied-eval -- generated from pinned schemas only; nothing of it is data
  const convert = new Function('bytes, at, end, out, outView, at0, fail, varuint, widen', body) as Convert
  const { columns } = source
  return {
    columns,
    write(bytes, at, end, arena) {
      // Every Avro byte gives at most 8 (a long) and every column at most 16 more (an absent record: one byte each).
      arena.reserve((end - at) * 8 + columns.length * 16)
      arena.position = convert(bytes, at, end, arena.bytes, arena.view, arena.position, fail, varuint, widen)
    },
  }
}

/** Names of the fields with logical type timestamp-millis, at any depth. */
function instants(json: unknown, names: Set<string> = new Set()): Set<string> {
  if (Array.isArray(json)) for (const item of json) instants(item, names)
  else if (typeof json === 'object' && json !== null) {
    const node = json as { name?: string; type?: unknown }
    const types: unknown[] = Array.isArray(node.type) ? node.type : [node.type]
    if (node.name !== undefined && types.some((type) => isInstant(type))) names.add(node.name)
    for (const value of Object.values(json)) instants(value, names)
  }
  return names
}

const isInstant = (type: unknown): boolean =>
  typeof type === 'object' && type !== null && (type as { logicalType?: string }).logicalType === 'timestamp-millis'

function fail(what: string): never {
  throw new SinkError('SLUICE_SINK_RECORD', `A record has ${what}.`)
}

/** Unsigned LEB128, as ClickHouse writes lengths. */
function varuint(out: Uint8Array, at: number, value: number): number {
  while (value > 127) {
    out[at++] = (value & 127) | 128
    value >>>= 7
  }
  out[at++] = value
  return at
}

/** Makes room for a count of more than one byte in front of items that are written already; returns their new end. */
function widen(out: Uint8Array, at: number, end: number, count: number): number {
  let extra = 0
  for (let rest = count; rest > 127; rest >>>= 7) extra++
  out.copyWithin(at + 1 + extra, at + 1, end)
  varuint(out, at, count)
  return end + extra
}

/**
 * Reads the first three fields that every output record and every mark has: head[0] task, head[1] seq (of a mark the next
 * one), head[2] logical time. Errors: SLUICE_SINK_RECORD.
 */
export function readHead(bytes: Uint8Array, at: number, end: number, head: Float64Array): void {
  for (let field = 0; field < 3; field++) {
    let byte = at < end ? bytes[at++] : fail('no task, number and time')
    const negative = (byte & 1) === 1
    let value = (byte & 127) >>> 1
    for (let scale = 64; byte > 127; scale *= 128) {
      if (at >= end || scale > 2 ** 63) fail('no task, number and time')
      byte = bytes[at++]
      value += (byte & 127) * scale
    }
    head[field] = negative ? -value - 1 : value
  }
}
