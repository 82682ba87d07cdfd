/** Asks a schema registry what other writers' ids mean, and whether their records may be read as ours. */
import { unreadable } from '../avro/resolvable.ts'
import type { Found, WriterLookup } from '../writer-schemas.ts'
import type { Registry } from './registry.ts'

export interface WriterLookupOptions {
  readonly registry: Registry
  /** Subjects whose schemas are taken: registering there is what makes a schema one of ours. */
  readonly subjects: readonly string[]
  /** The schema that records are read as. */
  readonly reader: string
}

/**
 * A schema is taken when it is Avro, registered under one of the subjects (where the registry has held it against the
 * versions before it), bounded, and readable as ours by Avro's rules. One lookup per id for all tasks of the process.
 */
export function writerLookup({ registry, subjects, reader }: WriterLookupOptions): WriterLookup {
  const known = new Map<number, Found>()
  const asked = new Map<number, Promise<Found>>()
  const find = async (id: number): Promise<Found> => {
    const schema = await registry.schemaOf(id)
    const refused = (why: string, forEver: boolean): Found => ({
      schema: null,
      words: `Schema id ${id} ${why}.`,
      forEver,
    })
    if (schema === undefined) {
      return refused(
        'is not in the registry. Register the schema first, and write with the id that the registry gives',
        false,
      )
    }
    if (schema === null) return refused('is no Avro schema. Write Avro', true)
    const under = await registry.subjectsOf(id)
    if (!under.some((subject) => subjects.includes(subject))) {
      const where = under.length === 0 ? 'under no subject' : `under ${under.slice(0, 5).join(', ')}`
      return refused(`is registered ${where}, not under ${subjects.join(' or ')}. Register it there`, false)
    }
    const why = unreadable(schema, reader)
    if (why !== null) return refused(`cannot be read here: ${why}. Write with a compatible schema`, true)
    return { schema, words: '', forEver: true }
  }
  return {
    async find(id) {
      const before = known.get(id)
      if (before !== undefined) return before
      let asking = asked.get(id)
      if (asking === undefined) {
        asking = find(id).finally(() => asked.delete(id))
        asked.set(id, asking)
      }
      const found = await asking
      if (found.forEver) known.set(id, found)
      return found
    },
  }
}
