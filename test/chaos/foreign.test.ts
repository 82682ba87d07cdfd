/** Why the foreign client gets another filter: with its own it shows records of transactions that were given up. */
import { createRequire } from 'node:module'
import { expect, it } from 'vitest'

interface Message {
  readonly key: Buffer
  readonly offset: string
  readonly batchContext: {
    readonly producerId: string
    readonly inTransaction: boolean
    readonly isControlBatch: boolean
  }
}
type Filter = (batch: { messages: Message[]; abortedTransactions: object[] }) => Message[]

const require = createRequire(import.meta.url)
const path = require.resolve('kafkajs/src/consumer/filterAbortedMessages')

const message = (offset: number, producerId: string, isControlBatch = false): Message => ({
  key: isControlBatch ? Buffer.from([0, 0, 0, 0]) : Buffer.from('key'),
  offset: String(offset),
  batchContext: { producerId, inTransaction: true, isControlBatch },
})

it('records of two transactions that were given up in one partition are shown by kafkajs, and not by the filter in its place', async () => {
  // 1 begins first and ends last; the broker lists what was given up in the order of the ends.
  const messages = [message(0, '1'), message(1, '2'), message(2, '2', true), message(3, '1', true), message(4, '3')]
  const abortedTransactions = [
    { producerId: '2', firstOffset: '1' },
    { producerId: '1', firstOffset: '0' },
  ]
  const shown = (filter: Filter): string[] =>
    filter({ messages, abortedTransactions })
      .filter(({ batchContext }) => !batchContext.isControlBatch)
      .map(({ offset }) => offset)
  expect(shown(require(path) as Filter)).toContain('0')
  await import('./kafkajs-aborted.ts')
  expect(shown(require(path) as Filter)).toEqual(['4'])
})
