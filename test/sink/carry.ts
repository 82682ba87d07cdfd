/** A process for tests: carries the log of a directory into its own ClickHouse, says how far it is, and ends. */
import { openEmbedded } from '../../streams/embedded/index.ts'
import { openWarehouse } from '../../sink/open.ts'

const directory = process.argv[2]
const backend = await openEmbedded({ directory, logicVersion: '1', ruleVersion: '1' })
const warehouse = await openWarehouse({ directory, environment: { PATH: '' }, maxRows: 100 })
const sink = await warehouse.sink(backend.log)
process.stdout.write(`server ${warehouse.server.pid}\n`)
const timer = setInterval(() => {
  process.stdout.write(`rows ${sink.lag().reduce((sum, { insertedRows }) => sum + insertedRows, 0)}\n`)
}, 5)
const open = await sink.flush()
clearInterval(timer)
const audit = await sink.audit()
process.stdout.write(`end ${JSON.stringify({ open, audit, server: warehouse.server.pid })}\n`)
await sink.stop()
await warehouse.close()
await backend.close()
