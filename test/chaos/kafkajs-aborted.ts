/**
 * kafkajs 2.2.4 lets records of aborted transactions through where several writers share a partition: it takes the broker's
 * list of them, which is in the order of their ends, for one in the order of their begins, and steps into one per record.
 * Import this before kafkajs: its filter is replaced by one that does neither.
 */
import { createRequire } from 'node:module'

interface Filtered {
  readonly messages: readonly {
    readonly key: Buffer | null
    readonly offset: string
    readonly batchContext: {
      readonly producerId: string
      readonly inTransaction: boolean
      readonly isControlBatch: boolean
    }
  }[]
  readonly abortedTransactions?: readonly { readonly producerId: string; readonly firstOffset: string }[]
}

function committed({ messages, abortedTransactions }: Filtered): Filtered['messages'] {
  const waiting = [...(abortedTransactions ?? [])].sort((a, b) => Number(BigInt(a.firstOffset) - BigInt(b.firstOffset)))
  const aborted = new Set<string>()
  return messages.filter(({ key, offset, batchContext: { producerId, inTransaction, isControlBatch } }) => {
    while (waiting.length > 0 && BigInt(waiting[0].firstOffset) <= BigInt(offset)) {
      aborted.add(String(waiting.shift()!.producerId))
    }
    // A control record's key: version, then 0 for abort, 1 for commit.
    if (isControlBatch) {
      if (key !== null && key.length >= 4 && key.readInt16BE(2) === 0) aborted.delete(String(producerId))
      return true
    }
    return !(inTransaction && aborted.has(String(producerId)))
  })
}

const require = createRequire(import.meta.url)
const path = require.resolve('kafkajs/src/consumer/filterAbortedMessages')
require(path)
require.cache[path]!.exports = committed
