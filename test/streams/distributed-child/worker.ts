/**
 * A worker that processes what is there and kills itself at a named point, the n-th time it comes there; at none of
 * them it prints its digests. Arguments: broker, Redis, prefix, point, n.
 */
import { openDistributed } from '../../../streams/distributed/index.ts'
import { lineOn } from './line.ts'

const [broker, redis, prefix, point, count] = process.argv.slice(2)
let left = Number(count)
const names = { prefix, topicPrefix: `${prefix}.`, replicationFactor: 1 }
const backend = await openDistributed({ brokers: [broker], redis, ...names })
const driver = lineOn(backend, (at) => {
  if (at === point && --left === 0) process.kill(process.pid, 'SIGKILL')
})
await driver.run()
process.stdout.write(JSON.stringify([...driver.digests()]))
await backend.close()
