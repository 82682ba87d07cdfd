/** Records under schema ids that are not the log's own: numbers them, and finds for each its decoder or its words. */
import { compileDecoder, type Decoder } from './avro/decode.ts'
import type { Frame } from './batch.ts'
import type { Unjudged, WriterSchemas } from './writer-schemas.ts'

export class OtherWriters {
  /** How many came in front of the next step; part of the task's state. */
  count = 0
  /** What is said of the dead ones of the decoded frame, by row. */
  readonly said = new Map<number, string>()
  /** Decoders that the decoded frame needs, by row type. */
  readonly needed = new Map<number, Decoder>()
  private readonly writers: WriterSchemas | null
  private readonly reader: string
  private readonly firstType: number
  /** Row types by writer's schema, and their decoders. */
  private readonly types = new Map<string, number>()
  private readonly decoders: Decoder[] = []
  /** Their rows in the decoded frame, and how many of these steps have passed. */
  private readonly rows: number[] = []
  private passed = 0

  /** `reader`: the schema that all are read as. `firstType`: their row types begin there. */
  constructor(writers: WriterSchemas | null, reader: string, firstType: number) {
    this.writers = writers
    this.reader = reader
    this.firstType = firstType
  }

  /** A frame is going to be decoded. */
  begin(): void {
    this.rows.length = this.passed = 0
    this.said.clear()
    this.needed.clear()
  }

  /** Row type of the next such record of the frame; null: it is dead, as `said` or as always. */
  typeOf(id: number, row: number): number | null {
    const judged = this.writers?.of(id, this.count + this.rows.length)
    this.rows.push(row)
    if (judged === undefined || judged.schema === null) {
      if (judged !== undefined) this.said.set(row, judged.words)
      return null
    }
    let index = this.types.get(judged.schema)
    if (index === undefined) {
      index = this.decoders.push(compileDecoder(judged.schema, this.reader)) - 1
      this.types.set(judged.schema, index)
    }
    this.needed.set(this.firstType + index, this.decoders[index])
    return this.firstType + index
  }

  /** How many there are up to a row of the frame, which is not counted; rows are passed in ascending order. */
  upTo(row: number): number {
    const before = this.passed
    while (this.passed < this.rows.length && this.rows[this.passed] < row) this.passed++
    return this.count + this.passed - before
  }

  /** Ids of a frame that is not decoded yet, that nobody has judged, by the first row of each. `owns`: ids of the log. */
  unjudged(frame: Frame, owns: (id: number) => boolean): Unjudged[] {
    const { writers } = this
    if (writers === null) return []
    const found = new Map<number, Unjudged>()
    const { valueOffsets, valueEnds, bytes, view } = frame
    let [record, own] = [this.count, -1]
    for (let row = 0; row < frame.rows; row++) {
      const at = valueOffsets[row]
      if (valueEnds[row] - at < 5 || bytes[at] !== 0) continue
      const id = view.getInt32(at + 1)
      if (id === own) continue
      if (owns(id)) {
        own = id
        continue
      }
      const known = found.get(id)
      if (known !== undefined) known.last = record
      else if (writers.of(id, record) === undefined) found.set(id, { id, row, first: record, last: record })
      record++
    }
    return [...found.values()]
  }
}
