/** An operator or a sink that throws ends the step: nothing of it is committed, and the task does not go on. */
import { expect, test } from 'vitest'
import { defaultSettings, type Settings } from '../../schemas/settings.ts'
import { topics } from '../../schemas/topics.ts'
import type { Topology } from '../../streams/topology.ts'
import { payments } from '../../topologies/payments.ts'
import { settlement } from '../../topologies/settlement.ts'
import type { LogRecord } from '../model/types.ts'
import { monday } from '../model/worked-records.ts'
import { openLine } from '../simulation/line.ts'

const settings = { ...defaultSettings, partitions: 1 }
const payment: LogRecord = {
  type: 'transaction',
  key: 'acc-7',
  acceptedAt: monday,
  transaction: {
    producer: 'shop',
    payerAccount: 'acc-7',
    transactionId: 'P1',
    kind: 'PAYMENT',
    occurredAt: monday,
    payerBank: 'bank-a',
    payeeAccount: 'acc-1',
    payeeBank: 'bank-b',
    merchant: null,
    amountMinor: 100,
    currency: 'EUR',
    country: null,
    originalTransactionId: null,
    timePrecision: 'MILLISECOND',
  },
}

/** The line with one operator that throws on rows, or on items. */
const throwing =
  (name: string) =>
  (of: Settings): readonly Topology[] =>
    [payments(of), settlement(of)].map((topology) => ({
      ...topology,
      nodes: topology.nodes.map((node) =>
        node.kind !== 'operator' || node.name !== name
          ? node
          : {
              ...node,
              spec: {
                ...node.spec,
                create: (context) => {
                  const runtime = node.spec.create(context)
                  return {
                    ...runtime,
                    process(input, emit) {
                      if (('count' in input ? input.count : input.length) > 0) throw new Error(`${name} threw`)
                      runtime.process(input, emit)
                    },
                  }
                },
              },
            },
      ),
    }))

test.each(['seen', 'account', 'rules', 'cycles', 'merge', 'net', 'instructions'])('%s', async (name) => {
  const line = await openLine({ settings, topologies: throwing(name) })
  await line.append(0, [payment, { type: 'tick', at: monday + 400_000, clock: 'FILES', closeThrough: null }])
  await expect(line.run()).rejects.toThrow(`${name} threw`)
  const { written } = await line.read()
  const own = ['merge', 'net', 'instructions'].includes(name)
  const untouched = own ? [topics.settlements, topics.instructions] : [topics.decisions, topics.cyclePartials]
  expect(untouched.map(({ name: topic }) => written.get(topic)?.length)).toEqual([0, 0])
  expect(await line.backend.log.peek(own ? 'settlement-0' : 'payments-0')).toBeNull()
})
