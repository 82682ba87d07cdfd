/** A cycle is settled once and an instruction given once, whatever is sent again, dies, or falls back. */
import { createHash } from 'node:crypto'
import { expect, it, test } from 'vitest'
import { seeded } from '../../intake/random.ts'
import { instructionId } from '../../schemas/ids.ts'
import { records, topics } from '../../schemas/topics.ts'
import type { Writer } from '../../streams/backend.ts'
import type { MemoryBackend } from '../../streams/memory/index.ts'
import { audit } from '../simulation/agree.ts'
import { openLine } from '../simulation/line.ts'
import { randomLog, simulatedRules, simulatedSettings } from '../simulation/random-log.ts'

const settings = { ...simulatedSettings, partitions: 2 }
const log = randomLog(seeded(31), 260, settings)

test('copies of what is known give no settlement more', async () => {
  const line = await openLine({ settings, rules: simulatedRules })
  for (const [partition, some] of log.entries()) await line.append(partition, some)
  await line.run()
  const first = await line.read()
  const now = line.tasks('payments').map((task) => task.processor.clock()!.streamTime)
  const known = first.decisions.filter(({ task, logicalTime }) => now[task] - logicalTime <= settings.dedupHorizonMs)
  const recent = known.filter(({ outcome }) => outcome === 'APPROVE').slice(-10)
  expect(recent.length).toBeGreaterThan(1)
  for (const { task, transaction } of recent) {
    const { payerAccount: key, occurredAt: acceptedAt } = transaction
    await line.append(task, [{ type: 'transaction', key, acceptedAt, transaction }])
  }
  await line.run()
  const second = await line.read()
  expect(second.settlements).toEqual(first.settlements)
  expect(second.decisions).toEqual(first.decisions)
  expect(second.outcomes.length).toBe(first.outcomes.length + recent.length)
})

test('starting again, and again without the state, appends nothing', async () => {
  const line = await openLine({ settings, rules: simulatedRules })
  for (const [partition, some] of log.entries()) await line.append(partition, some)
  await line.run()
  const before = await line.read()
  const lengths = (read: typeof before): [string, number][] =>
    [...read.written].map(([topic, all]) => [topic, all.length])
  for (const lost of [0, 1, 'whole'] as const) {
    line.backend.crash(() => lost)
    await line.run()
    expect(lengths(await line.read())).toEqual(lengths(before))
  }
  expect(audit(before, log)).toEqual([])
})

/** The log says that the first source task has committed less: what it had, and what its next writer finds. */
const forget =
  (committed: Writer['committed']) =>
  (backend: MemoryBackend): void => {
    const writer = backend.log.writer.bind(backend.log)
    const without = (made: Writer): Writer =>
      new Proxy(made, {
        get(of, name) {
          if (name === 'committed') return committed
          const value = Reflect.get(of, name) as unknown
          return typeof value === 'function' ? (value as () => unknown).bind(of) : value
        },
      })
    backend.log.writer = async (id) => (id === 'payments-0' ? without(await writer(id)) : writer(id))
    const peek = backend.log.peek.bind(backend.log)
    backend.log.peek = (id) => (id === 'payments-0' ? Promise.resolve(committed) : peek(id))
  }

/** Retention passes the position that a lost state would have to start from. */
function trim(backend: MemoryBackend): void {
  backend.trim({ topic: topics.transactions.name, partition: 0 }, 100)
  backend.loseState('payments-0')
}

test.each([
  ['a state ahead of the log', 'SLUICE_STATE_AHEAD', forget({ position: 1, metadata: '{}' })],
  ['a state whose log knows no position', 'SLUICE_LEDGER_LOST', forget(null)],
  ['a log trimmed beyond the state', 'SLUICE_RETENTION_PASSED', trim],
] as const)('%s halts', async (_, code, harm) => {
  const line = await openLine({ settings, rules: simulatedRules })
  for (const [partition, some] of log.entries()) await line.append(partition, some, 10)
  await line.run()
  line.backend.crash()
  harm(line.backend)
  await expect(line.run()).rejects.toMatchObject({ code })
})

it('a gap between two partials halts, a copy is dropped', async () => {
  const closed = (task: number, seq: number, closedThrough: number) => ({
    key: null,
    type: records.closedThrough,
    timestamp: 0,
    value: { task, seq, logicalTime: 0, closedThrough, cut: false },
  })
  const line = await openLine({ settings, rules: simulatedRules })
  const some = [closed(0, 0, 60_000), closed(0, 0, 60_000), closed(0, 1, 120_000)]
  await line.driver.send(topics.cyclePartials.name, 0, some)
  await line.run()
  await line.driver.send(topics.cyclePartials.name, 0, [closed(0, 3, 180_000)])
  await expect(line.run()).rejects.toMatchObject({ code: 'SLUICE_SEQUENCE_GAP' })
  const unknown = await openLine({ settings, rules: simulatedRules })
  await unknown.driver.send(topics.cyclePartials.name, 0, [closed(7, 0, 60_000)])
  await expect(unknown.run()).rejects.toMatchObject({ code: 'SLUICE_SEQUENCE_GAP' })
})

it('the id of an instruction is a function of scheme, cycle, member and currency', () => {
  const start = 1_767_614_400_000
  const hash = createHash('sha256').update(`sluice|${start}|300000|bank-a|EUR`).digest('hex').slice(0, 32)
  expect(instructionId('sluice', start, 300_000, 'bank-a', 'EUR')).toBe(hash)
  const ids = [
    hash,
    instructionId('other', start, 300_000, 'bank-a', 'EUR'),
    instructionId('sluice', start + 300_000, 300_000, 'bank-a', 'EUR'),
    instructionId('sluice', start, 600_000, 'bank-a', 'EUR'),
    instructionId('sluice', start, 300_000, 'bank-b', 'EUR'),
    instructionId('sluice', start, 300_000, 'bank-a', 'USD'),
  ]
  expect(new Set(ids).size).toBe(ids.length)
})
