/** From record batches to items: the records of an internal topic as plain objects, each with its type. */

import { objectCodec, type ObjectCodec } from './avro/object.ts'
import type { Frame } from './batch.ts'
import type { Item } from './operator.ts'
import { pinnedIds, type SchemaIds } from './schema-ids.ts'
import type { ObjectSource } from './source.ts'

export class ObjectReader {
  private readonly codecs: ReadonlyMap<number, { type: string; codec: ObjectCodec<object> }>

  constructor(source: ObjectSource, ids: SchemaIds = pinnedIds) {
    this.codecs = new Map(
      source.records.map((type) => [ids.idOf(type), { type: type.name, codec: objectCodec<object>(type.schema) }]),
    )
  }

  /** Rows [from, to) as items. What cannot be decoded on a topic of our own is a bug, so it throws. */
  read(frame: Frame, from: number, to: number): Item[] {
    const items: Item[] = []
    for (let row = from; row < to; row++) {
      const id = frame.view.getInt32(frame.valueOffsets[row] + 1)
      const known = this.codecs.get(id)
      if (known === undefined) throw new Error(`record type ${id} at offset ${frame.offsets[row]} is not expected here`)
      const value = known.codec.decode(frame.bytes.subarray(frame.valueOffsets[row] + 5, frame.valueEnds[row]))
      items.push({ row, value: { type: known.type, ...value } })
    }
    return items
  }
}
