/** No acknowledged payment is lost: `serve` is killed in the middle and started again. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { clientOf } from '../../cli/client.ts'
import { payment, post, TestDirectory, until } from './serving.ts'

let directory: TestDirectory
beforeEach(() => {
  directory = new TestDirectory()
})
afterEach(() => directory.remove())

test('kill -9 in the middle: every payment that was answered 202 is decided exactly once', async () => {
  const acknowledged: string[] = []
  const sent: string[] = []
  for (let life = 0; life < 3; life++) {
    const serving = await directory.serve()
    const killed: Promise<number | string>[] = []
    const enough = (life + 1) * 150
    const poster = async (lane: number): Promise<void> => {
      for (let i = 0; killed.length === 0; i++) {
        const id = `P-${life}-${lane}-${i}`
        sent.push(id)
        // A connection that breaks in the kill is no answer; nobody may count on that payment, and nobody does.
        const answer = await post(serving.endpoint, payment(id)).catch(() => null)
        if (answer?.status === 202) acknowledged.push(id)
        if (acknowledged.length >= enough && killed.length === 0) killed.push(serving.end('SIGKILL'))
      }
    }
    await Promise.all(Array.from({ length: 8 }, (_, lane) => poster(lane)))
    expect(await Promise.all(killed)).toEqual(['SIGKILL'])
  }
  expect(acknowledged.length).toBeGreaterThanOrEqual(450)
  const serving = await directory.serve()
  const client = clientOf(serving.endpoint)
  const sheet = await until(
    () => client.balance(),
    ({ payments }) => payments.pending === 0 && payments.accepted >= acknowledged.length,
  )
  expect(sheet.balanced).toBe(true)
  // Sent and not answered may be in the log or not, but never twice.
  expect(sheet.payments.accepted).toBeLessThanOrEqual(sent.length)
  expect(sheet.payments).toMatchObject({ duplicate: 0, conflicting: 0, deadLetters: 0 })
  const table = await until(
    () => client.sql('SELECT transactionId AS id, count() AS n FROM decisions GROUP BY id'),
    ({ rows }) => rows.length === sheet.payments.accepted,
  )
  const decided = new Map(table.rows.map(({ id, n }) => [id as string, Number(n)]))
  expect([...decided.values()].every((n) => n === 1)).toBe(true)
  expect(acknowledged.filter((id) => !decided.has(id))).toEqual([])
  // A lookup, too, finds each of them once, in its settled cycle.
  for (const id of [acknowledged[0], acknowledged[200], acknowledged.at(-1) as string]) {
    const views = await client.lookup('http', id)
    expect(views.map(({ state, duplicates }) => [state, duplicates])).toEqual([['settled', 0]])
  }
  expect(await serving.end('SIGTERM')).toBe(0)
})
