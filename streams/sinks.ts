/** How records leave a topology: straight from columns, or as plain objects. */

import type { TaskContext } from './operator.ts'
import type { RecordType } from './source.ts'

/** Extra fields that are arrays: written per row into the arena, with Avro's block structure. */
export interface RowArena {
  byte(value: number): void
  long(value: number): void
  text(value: string): void
}

/** Columns to Avro: fields are bound to columns of the same name unless `from` names another. */
export interface ColumnSink {
  readonly objects: false
  readonly needs: readonly string[]
  readonly record: RecordType
  /** Column whose text is the record key. */
  readonly key: string
  /** Field -> column, where the names differ. */
  readonly from: Readonly<Record<string, string>>
  /** Fields that are the same in every record. */
  readonly constants: Readonly<Record<string, string | number | boolean | null>>
  /** Nested records that are copied from a raw column. */
  readonly raw: readonly string[]
  /** Nullable nested records whose presence a code column of that name says. */
  readonly optional: readonly string[]
  /** Array fields, and others that are written per row. */
  readonly written: Readonly<Record<string, WrittenField>>
}

/** A function of the codes and numbers of a row, by column name; of an array it writes the blocks: count, items, 0. */
export interface WrittenField {
  readonly of: readonly string[]
  write(arena: RowArena, context: TaskContext, ...values: number[]): void
}

/** Plain objects to Avro; the output fills task, seq and logicalTime (unless the object has one). */
export interface ObjectSink {
  readonly objects: true
  readonly needs: readonly string[]
  /** Record types by the object's `type`; with a single one `type` may be absent. An object of type 'mark' cuts. */
  readonly records: readonly RecordType[]
  /** Field that is the record key, null for none. */
  readonly key: string | null
  /** Values that stand in for diagnostics when a record is digested. */
  readonly blankDiagnostics?: Readonly<Record<string, unknown>>
}

export type SinkSpec = ColumnSink | ObjectSink
