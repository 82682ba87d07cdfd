/**
 * Which id stands in front of which record type, in the wire prefix of a log (0x00, id as int32 BE, Avro): the pinned ids
 * of the embedded log, or those that a schema registry gave and the log's manifest keeps.
 *
 * Ids are names and nothing else: digests, dead letters and tables are the same under any of them.
 */
import type { RecordType } from './source.ts'

export interface SchemaIds {
  /** The id of a record type in this log. Errors: Error for a type that has none. */
  idOf(type: RecordType): number
}

/** The ids that the record types carry themselves. */
export const pinnedIds: SchemaIds = { idOf: (type) => type.id }

/** Ids by the names of the record types. Errors: Error for an id that is no int32 from 0, or that two types share. */
export function schemaIds(ids: Readonly<Record<string, number>>): SchemaIds {
  const names = new Map<number, string>()
  for (const [name, id] of Object.entries(ids)) {
    if (id !== (id | 0) || id < 0) throw new Error(`schema id of ${name}: ${id} is no id`)
    const other = names.get(id)
    if (other !== undefined) throw new Error(`schema id ${id} is given to ${other} and to ${name}`)
    names.set(id, name)
  }
  return {
    idOf({ name }) {
      const id = Object.hasOwn(ids, name) ? ids[name] : undefined
      if (id === undefined)
        throw new Error(`this log has no schema id for ${name}; it has ${Object.keys(ids).join(', ')}`)
      return id
    },
  }
}

/**
 * Puts the pinned id in front of a value that has the id which this log gives to one of these types, in place: what is kept
 * of a record does not depend on the log's ids.
 */
export function underPinnedIds(types: readonly RecordType[], ids: SchemaIds): (value: Uint8Array) => Uint8Array {
  const pinned = new Map(
    types.flatMap((type) => (ids.idOf(type) === type.id ? [] : [[ids.idOf(type), type.id] as const])),
  )
  if (pinned.size === 0) return (value) => value
  return (value) => {
    if (value.length < 5 || value[0] !== 0) return value
    const view = new DataView(value.buffer, value.byteOffset, 5)
    const id = pinned.get(view.getInt32(1))
    if (id !== undefined) view.setInt32(1, id)
    return value
  }
}
