/**
 * A process to be killed: commits numbered records through two writers, follows with state deltas, and says on its
 * standard output what was acknowledged. Arguments: directory.
 *
 * Writer `task` commits n = 1, 2, ... with record n in both partitions of topic `pair`; writer `intake` commits records
 * to `inbox`. The state of task `task` is a function of the position alone: see expectedState in the test.
 */
import { writeSync } from 'node:fs'
import type { Put } from '../../../streams/backend.ts'
import { openEmbedded } from '../../../streams/embedded/index.ts'
import { batchOf } from '../../conformance/batches.ts'
import { changesOf } from './model.ts'

/** Written at once, so that a kill cannot lose what was said. */
const say = (line: string): void => void writeSync(1, `${line}\n`)

const backend = await openEmbedded({ directory: process.argv[2], logicVersion: '1', ruleVersion: '1' })
say('open 0')
await backend.log.createTopics([
  { name: 'pair', partitions: 2 },
  { name: 'inbox', partitions: 1 },
])
const task = await backend.log.writer('task')
const intake = await backend.log.writer('intake')
const state = await backend.state.acquire('task')

let position = task.committed?.position ?? 0
let applied = state.header?.position ?? 0
let queued = Number(intake.committed?.metadata ?? 0)

async function follow(): Promise<never> {
  for (;;) {
    const to = task.proven
    if (to === applied) {
      await new Promise((resolve) => setImmediate(resolve))
      continue
    }
    const changes = { puts: new Map<string, Put>(), dropKinds: new Set<string>() }
    for (let n = applied + 1; n <= to; n++) changesOf(n, changes)
    const delta = { from: applied, to, metadata: String(to), removes: [], puts: [...changes.puts.values()] }
    const { result } = await state.apply({ ...delta, dropKinds: [...changes.dropKinds] })
    if (result !== 'applied') throw new Error(`delta ${applied} to ${to}: ${result}`)
    applied = to
    say(`delta ${to}`)
  }
}

async function take(): Promise<never> {
  for (;;) {
    queued++
    const appends = [{ topic: 'inbox', partition: 0, batches: batchOf(String(queued)) }]
    await intake.commit({ appends, position: -1, metadata: String(queued) })
    say(`intake ${queued}`)
  }
}

async function commit(): Promise<never> {
  const flying: Promise<void>[] = []
  for (;;) {
    if (flying.length >= task.maxInFlight) await flying.shift()
    const n = ++position
    // Some large, so that transactions take a while and are cut in the middle.
    const batches = batchOf(String(n).padEnd(n % 7 === 0 ? 300_000 : 100))
    const appends = [0, 1].map((partition) => ({ topic: 'pair', partition, batches }))
    flying.push(task.commit({ appends, position: n, metadata: String(n) }).then(() => say(`commit ${n}`)))
  }
}

await Promise.all([commit(), take(), follow()])
