/** Two small worlds for safeguard 6: two owners of one task at once, and a task to which nothing comes any more. */
import { seeded } from '../../intake/random.ts'
import { records, topics } from '../../schemas/topics.ts'
import type { Backend } from '../../streams/backend.ts'
import { CodedError, FencedError } from '../../streams/errors.ts'
import type { Faulty } from '../../streams/memory/index.ts'
import { Task } from '../../streams/task.ts'
import { payments } from '../../topologies/payments.ts'
import { openSimulatedKafka } from './broker.ts'
import { openLine } from './line.ts'
import { randomLog, simulatedRules, simulatedSettings } from './random-log.ts'

const settings = { ...simulatedSettings, partitions: 1 }

function taskOf(backend: Backend): Task {
  return new Task({
    topology: payments(settings),
    name: 'payments-0',
    at: { topic: topics.transactions.name, partition: 0 },
    partitions: 1,
    backend,
    hashKey: new Int32Array([1, 2, 3, 4]),
    markOf: (topic) => (topic === topics.cyclePartials.name ? null : records.mark),
    batchRows: 20,
  })
}

/** A process that both owners get no end with is given up after so many fences. */
const MOST_FENCES = 60

/**
 * Two processes believe that the task is theirs. One that is fenced comes back at once, or stops until the group gives
 * it the task again, which it does when the other is done.
 */
export async function duel(
  fenced: 'comes back at once' | 'stops and rejoins',
): Promise<{ ended: boolean; fences: number }> {
  const kafka = openSimulatedKafka({ rules: {}, delay: () => 4 })
  const line = await openLine({ settings, rules: simulatedRules, backend: kafka })
  for (const [partition, some] of randomLog(seeded(1), 300, settings).entries()) await line.append(partition, some)
  let [done, fences] = [false, 0]
  const owner = async (): Promise<void> => {
    while (!done && fences < MOST_FENCES) {
      const task = taskOf(kafka)
      try {
        await task.recover()
        await task.catchUp()
        done = true
      } catch (error) {
        if (!(error instanceof FencedError)) throw error
        fences++
        if (fenced === 'stops and rejoins') return
      }
    }
  }
  await Promise.all([owner(), owner()])
  return { ended: done && fences < MOST_FENCES, fences }
}

/** Everything is processed and nothing comes any more; then the state falls back. Is it noticed, and made good? */
export async function quiet(faulty: Faulty): Promise<{ noticed: boolean; stored: number; committed: number }> {
  const line = await openLine({ settings, rules: simulatedRules, memory: { faulty } })
  for (const [partition, some] of randomLog(seeded(2), 200, settings).entries()) await line.append(partition, some)
  let task = taskOf(line.backend)
  await task.recover()
  await task.catchUp()
  line.backend.fallBack(task.name, 1)
  const { committed } = task
  const running = task.run()
  // Some probes; more would find no more.
  const waited = new Promise<'waited'>((resolve) => setTimeout(() => resolve('waited'), 4_000))
  const ended = await Promise.race([running.catch((error: unknown) => error), waited])
  const noticed = ended instanceof CodedError && ended.code === 'SLUICE_STATE_MOVED'
  task.stop()
  await running.catch(() => undefined)
  if (noticed) {
    task = taskOf(line.backend)
    await task.recover()
  }
  const { header } = await line.backend.state.peek('payments-0', 'none')
  return { noticed, stored: header?.position ?? 0, committed }
}
