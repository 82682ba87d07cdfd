/** The OpenAPI document says what the handlers do: every route, every status, every shape. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openapi } from '../../intake/http/openapi.ts'
import { routes } from '../../intake/http/routes.ts'
import { fields } from '../../intake/http/transactions.ts'
import { now, settledPayment, startServer } from './fake-ports.ts'

interface Schema {
  $ref?: string
  type?: string | string[]
  enum?: readonly unknown[]
  anyOf?: Schema[]
  oneOf?: Schema[]
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  pattern?: string
}
interface Operation {
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>
}
const paths = openapi.paths as unknown as Record<string, Record<string, Operation>>
const schemas = openapi.components.schemas as unknown as Record<string, Schema>

const typeOf = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? 'array' : Number.isInteger(value) ? 'integer' : typeof value

/** What of a value contradicts a schema: as much of JSON Schema as the document uses. */
function faults(value: unknown, schema: Schema, at = '$'): string[] {
  if (schema.$ref !== undefined) return faults(value, schemas[schema.$ref.split('/').at(-1) ?? ''], at)
  const alternatives = schema.anyOf ?? schema.oneOf
  if (alternatives !== undefined)
    return alternatives.some((one) => faults(value, one, at).length === 0) ? [] : [`${at}: none of the alternatives`]
  if (schema.enum !== undefined)
    return schema.enum.includes(value) ? [] : [`${at}: ${String(value)} is not in the list`]
  const types = [schema.type ?? []].flat()
  const type = typeOf(value)
  if (types.length > 0 && !types.includes(type) && !(type === 'integer' && types.includes('number')))
    return [`${at}: ${type} instead of ${types.join(' or ')}`]
  if (schema.pattern !== undefined && typeof value === 'string' && !new RegExp(schema.pattern).test(value))
    return [`${at}: ${value} does not match ${schema.pattern}`]
  if (Array.isArray(value)) return value.flatMap((item, i) => faults(item, schema.items ?? {}, `${at}[${i}]`))
  if (type !== 'object') return []
  const object = value as Record<string, unknown>
  const missing = (schema.required ?? []).filter((name) => !(name in object)).map((name) => `${at}.${name} is missing`)
  const properties = schema.properties ?? {}
  const unknown = schema.properties === undefined ? [] : Object.keys(object).filter((name) => !(name in properties))
  return [
    ...missing,
    ...unknown.map((name) => `${at}.${name} is not in the document`),
    ...Object.entries(properties).flatMap(([name, one]) =>
      name in object ? faults(object[name], one, `${at}.${name}`) : [],
    ),
  ]
}

let url: string
let close: () => Promise<void>
beforeAll(async () => {
  const started = await startServer()
  started.queries.known.push(settledPayment)
  started.holds.held.push({ ...settledPayment, reasons: ['velocity'], heldAt: now })
  url = started.url
  close = () => started.server.close()
})
afterAll(() => close())

test('every route is in the document, and nothing else', () => {
  const documented = Object.entries(paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
  )
  expect(documented.toSorted()).toEqual(routes.map(({ method, path }) => `${method} ${path}`).toSorted())
})

test('every $ref leads somewhere, operation ids are different', () => {
  const text = JSON.stringify(openapi)
  for (const [, name] of text.matchAll(/"#\/components\/schemas\/(\w+)"/g)) expect(schemas).toHaveProperty(name)
  const ids = [...text.matchAll(/"operationId":"(\w+)"/g)].map(([, id]) => id)
  expect(new Set(ids).size).toBe(ids.length)
})

test('a transaction has the fields that the door knows', () => {
  expect(Object.keys(schemas.Transaction.properties ?? {}).toSorted()).toEqual([...fields].toSorted())
})

describe('answers have the documented status and shape', () => {
  const payment = {
    transactionId: 'P1',
    occurredAt: '2026-01-05T12:00:00Z',
    payerAccount: 'DE-1',
    payeeAccount: 'FR-2',
    payerBank: 'bank-a',
    payeeBank: 'bank-b',
    amount: '100.00',
    currency: 'EUR',
  }
  const resolution = { producer: 'shop', payerAccount: 'DE-1', transactionId: 'P1', by: 'Ada', why: 'x' }
  const calls: [method: string, path: string, address: string, body: unknown, status: number][] = [
    ['post', '/v1/transactions', '/v1/transactions', payment, 202],
    ['post', '/v1/transactions', '/v1/transactions', [payment, {}], 202],
    ['post', '/v1/transactions', '/v1/transactions', [{}], 422],
    ['post', '/v1/transactions', '/v1/transactions', [], 400],
    ['get', '/v1/transactions/{producer}/{id}', '/v1/transactions/shop/P1', undefined, 200],
    ['get', '/v1/transactions/{producer}/{id}', '/v1/transactions/shop/nothing', undefined, 404],
    ['get', '/v1/balance', '/v1/balance', undefined, 200],
    ['get', '/v1/topology', '/v1/topology', undefined, 200],
    ['get', '/v1/ask', '/v1/ask', undefined, 200],
    ['get', '/v1/ask/{name}', '/v1/ask/dead-letters', undefined, 200],
    ['post', '/v1/sql', '/v1/sql', { query: 'SELECT 1' }, 200],
    ['post', '/v1/sql', '/v1/sql', { query: 'DROP' }, 400],
    ['post', '/v1/holds/release', '/v1/holds/release', resolution, 200],
    ['post', '/v1/holds/reject', '/v1/holds/reject', {}, 400],
    ['get', '/health', '/health', undefined, 200],
    ['get', '/openapi.json', '/openapi.json', undefined, 200],
  ]
  test.each(calls)('%s %s (%s)', async (method, path, address, body, status) => {
    const init = body === undefined ? { method } : { method, body: JSON.stringify(body) }
    const response = await fetch(url + address, init)
    expect(response.status).toBe(status)
    const documented = paths[path][method].responses[status]
    expect(documented, `${status} is not documented`).toBeDefined()
    expect(faults(await response.json(), documented.content?.['application/json'].schema ?? {})).toEqual([])
  })

  test('the list of holds', async () => {
    const value = (await (await fetch(`${url}/v1/holds?limit=1`)).json()) as { holds: object[]; total: number }
    expect(value.total).toBe(1)
    for (const name of schemas.Hold.required ?? []) expect(value.holds[0]).toHaveProperty(name)
    expect((await fetch(`${url}/v1/holds?limit=0`)).status).toBe(400)
  })
})
