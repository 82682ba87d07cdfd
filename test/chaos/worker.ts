/**
 * A worker under test: real tasks over Kafka and Redis, in a process that is killed, stopped and cut off. It says what it
 * does to who started it, and kills itself at a named point when it is asked to.
 */
import type { Backend, Writer } from '../../streams/backend.ts'
import { openDistributed } from '../../streams/distributed/index.ts'
import { CodedError } from '../../streams/errors.ts'
import type { TaskObserver } from '../../streams/observer.ts'
import { Worker } from '../../streams/worker.ts'
import { hashKey, markOf, settings, specs, type WorkerOrder, type WorkerTold, type WorkerWord } from './line.ts'
import { route } from './route.ts'

const order = JSON.parse(process.argv[2]) as WorkerOrder
let armed = order.kill ?? null
let left = armed?.count ?? 0

/** A wrong clock of the machine: nothing that a task says may hang on it. */
let aheadMs = order.clockMs ?? 0
const { now } = Date
Date.now = () => now() + aheadMs

const say = (word: WorkerWord): void => void process.send?.(word)

function reached(point: string): void {
  if (armed?.point === point && --left <= 0) process.kill(process.pid, 'SIGKILL')
}

process.on('message', ({ kill, clockMs }: WorkerTold) => {
  aheadMs = clockMs ?? aheadMs
  if (kill === undefined) return
  armed = kill
  left = kill.count
})
process.on('disconnect', () => process.exit(0))
process.on('SIGTERM', () => void worker.stop().then(() => process.exit(0)))
route(order.routes, reached)

const observer: TaskObserver = {
  phase: () => undefined,
  fetched: () => undefined,
  processed: () => undefined,
  applied: () => undefined,
  recovered: (task, { reprocessed, ms }) => say({ said: 'owns', task, rows: reprocessed, ms }),
  committed: (task, { position }) => say({ said: 'committed', task, position }),
  refused: (task, what) => say({ said: 'refused', task, what }),
}

/** The negative control: the records of a commit are there for good before its position is. */
function atLeastOnce(writer: Writer): Writer {
  let position = writer.committed?.position ?? 0
  let metadata = writer.committed?.metadata ?? ''
  return {
    id: writer.id,
    committed: writer.committed,
    maxInFlight: 1,
    get proven() {
      return writer.proven
    },
    async commit(commit) {
      await writer.commit({ appends: commit.appends, position, metadata })
      // Where nothing was written nothing is left twice.
      if (commit.appends.length > 0) reached('between')
      ;({ position, metadata } = commit)
      await writer.commit({ appends: [], position, metadata })
    },
    close: () => writer.close(),
  }
}

const opened = await openDistributed({
  brokers: order.brokers,
  redis: order.redis,
  prefix: order.prefix,
  topicPrefix: `${order.prefix}.`,
  replicationFactor: order.replicationFactor,
  transactionTimeoutMs: 10_000,
  redisOptions: { commandTimeout: 5_000, connectTimeout: 3_000 },
  group: { sessionTimeoutMs: 4_000, heartbeatMs: 500, rebalanceTimeoutMs: 10_000 },
})
const { log, state } = opened
const backend: Backend = {
  ...opened,
  log: {
    topicId: (topic) => log.topicId(topic),
    createTopics: (topics) => log.createTopics(topics),
    partitions: (topic) => log.partitions(topic),
    bounds: (at) => log.bounds(at),
    read: (...asked) => log.read(...asked),
    peek: (id) => log.peek(id),
    writer: async (id) => (order.atLeastOnce === true ? atLeastOnce(await log.writer(id)) : log.writer(id)),
  },
  state: {
    peek: (...asked) => state.peek(...asked),
    drop: (task) => state.drop(task),
    acquire: async (task) => {
      const acquired = await state.acquire(task)
      reached('acquired')
      return acquired
    },
  },
}

const worker = new Worker({
  backend,
  tasks: [...specs().values()],
  partitions: settings.partitions,
  hashKey,
  markOf,
  batchRows: order.batchRows,
  deltaEntries: order.deltaEntries,
  expected: {},
  observer,
  reached,
  changed(task, { phase, error }) {
    if (phase === 'recovering') say({ said: 'begins', task })
    if (error === null || (phase !== 'waiting' && phase !== 'fenced' && phase !== 'halted')) return
    const code = error instanceof CodedError ? error.code : error.name
    say({ said: phase === 'halted' ? 'halted' : 'failed', task, code, text: error.stack ?? error.message })
  },
})
await worker.start()
say({ said: 'ready' })
