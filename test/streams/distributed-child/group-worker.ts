/** A worker of the line's group that says what its tasks do, until it is killed. Arguments: broker, Redis, prefix. */
import { openDistributed } from '../../../streams/distributed/index.ts'
import { Worker } from '../../../streams/worker.ts'
import { lineTasks } from './line.ts'

const [broker, redis, prefix] = process.argv.slice(2)
const names = { prefix, topicPrefix: `${prefix}.`, replicationFactor: 1 }
const group = { sessionTimeoutMs: 6_000, heartbeatMs: 500 }
const backend = await openDistributed({ brokers: [broker], redis, ...names, group })
const worker = new Worker({
  ...lineTasks(backend),
  batchRows: 100,
  changed: (task, { phase }) => process.stdout.write(`${task} ${phase}\n`),
})
await worker.start()
