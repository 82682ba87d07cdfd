/** Fields of other writers that we have no type for: maps, fixed, unions of all kinds are passed over, whatever stands in them. */
import avro from 'avsc'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { skip } from '../../intake/avro/container.ts'
import { columnsOf } from '../../streams/avro/columns.ts'
import { compileDecoder } from '../../streams/avro/decode.ts'
import { parseSchema } from '../../streams/avro/schema.ts'
import type { Column } from '../../streams/batch.ts'
import { cell, frameOf, recordShape, schemaOf, valueOf } from './avro-shapes.ts'

/** A schema, and values of it as avsc takes them with its unions wrapped. */
interface Foreign {
  readonly schema: unknown
  /** As a branch of a union is called. */
  readonly name: string
  readonly values: fc.Arbitrary<unknown>
}

let fixed = 0
const leaf: fc.Arbitrary<Foreign> = fc.oneof(
  fc.constant<Foreign>({ schema: 'long', name: 'long', values: fc.integer() }),
  fc.constant<Foreign>({ schema: 'string', name: 'string', values: fc.string({ maxLength: 9 }) }),
  fc.constant<Foreign>({ schema: 'double', name: 'double', values: fc.double({ noNaN: true }) }),
  fc.integer({ min: 1, max: 40 }).map((size): Foreign => {
    const name = `Foreign${fixed++}`
    const values = fc.uint8Array({ minLength: size, maxLength: size }).map((bytes) => Buffer.from(bytes))
    return { schema: { type: 'fixed', name, size }, name, values }
  }),
)

function foreign(depth: number): fc.Arbitrary<Foreign> {
  if (depth === 0) return leaf
  const inner = foreign(depth - 1)
  const map = inner.map((of): Foreign => ({
    schema: { type: 'map', values: of.schema },
    name: 'map',
    values: fc.dictionary(fc.string({ maxLength: 5 }), of.values, { maxKeys: 4 }),
  }))
  const union = fc
    .uniqueArray(
      inner.filter(({ name }) => name !== 'union'),
      { minLength: 1, maxLength: 4, selector: ({ name }) => name },
    )
    .chain((branches) =>
      fc.nat({ max: branches.length }).map((at): Foreign => {
        const schemas = branches.map(({ schema }) => schema)
        const some = branches.map(({ name, values }) => values.map((value) => ({ [name]: value })))
        return {
          schema: [...schemas.slice(0, at), 'null', ...schemas.slice(at)],
          name: 'union',
          values: fc.oneof(fc.constant(null), ...some),
        }
      }),
    )
  return fc.oneof(leaf, map, union)
}

interface Extra {
  readonly schema: unknown
  readonly value: unknown
  /** In front of which of our fields. */
  readonly at: number
}
const extra: fc.Arbitrary<Extra> = foreign(3).chain(({ schema, values }) =>
  fc.record({ schema: fc.constant(schema), value: values, at: fc.nat({ max: 8 }) }),
)
const record = recordShape.chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    value: valueOf(shape) as fc.Arbitrary<Record<string, unknown>>,
    extras: fc.array(extra, { minLength: 1, maxLength: 4 }),
  }),
)

const encoded = (schema: unknown, value: unknown, wrapUnions: boolean): Buffer =>
  avro.Type.forSchema(schema as avro.Schema, { wrapUnions }).toBuffer(value)

test('what we read is as it is without them, and a value that is cut is never taken for whole', () => {
  fc.assert(
    fc.property(record, ({ shape, value, extras }) => {
      const named = schemaOf(shape) as { fields: { name: string; type: unknown }[] }
      const ours = { ...named, name: 'One' }
      const fields = ours.fields.map((field) => ({ ...field, bytes: encoded(field.type, value[field.name], false) }))
      const plain = Buffer.concat(fields.map(({ bytes }) => bytes))
      extras.forEach(({ schema, value: other, at }, i) => {
        fields.splice(Math.min(at, fields.length), 0, {
          name: `extra${i}`,
          type: schema,
          bytes: encoded(schema, other, true),
        })
      })
      const theirs = JSON.stringify({
        type: 'record',
        name: 'One',
        fields: fields.map(({ name, type }) => ({ name, type })),
      })
      const bytes = Buffer.concat(fields.map((field) => field.bytes))
      const reader = JSON.stringify(ours)
      const read = (writer: string, from: Uint8Array, fill: number): unknown => {
        const columns = new Map<string, Column>()
        const fault = Uint8Array.of(9)
        compileDecoder(writer, reader)(frameOf(from, fill), Int32Array.of(0), 1, columns, fault)
        return { fault: fault[0], cells: columnsOf(reader).map((spec) => cell(columns, spec)) }
      }
      const whole = read(theirs, bytes, 0)
      expect(whole).toEqual(read(reader, plain, 0))
      expect(whole).toMatchObject({ fault: 0 })
      expect(skip(parseSchema(theirs), bytes, 0, bytes.length)).toBe(bytes.length)
      for (const fill of [0, 255]) {
        const cut = bytes.subarray(0, Math.floor(bytes.length / 2))
        expect(read(theirs, cut, fill)).toMatchObject({ fault: 1 })
        expect(skip(parseSchema(theirs), Buffer.concat([cut, Buffer.alloc(64, fill)]), 0, cut.length)).toBe(-1)
      }
    }),
    { numRuns: 300 },
  )
})
