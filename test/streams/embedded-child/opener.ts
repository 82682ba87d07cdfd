/** A process that opens a directory and holds it until its standard input ends; says 'open' or the code of the error. */
import { writeSync } from 'node:fs'
import { openEmbedded } from '../../../streams/embedded/index.ts'
import { LockedError } from '../../../streams/errors.ts'

const [, , directory, endpoint] = process.argv
try {
  const backend = await openEmbedded({ directory, endpoint, logicVersion: '1', ruleVersion: '1' })
  writeSync(1, 'open\n')
  process.stdin.resume()
  await new Promise((resolve) => process.stdin.on('end', resolve))
  await backend.close()
} catch (error) {
  if (!(error instanceof LockedError)) throw error
  writeSync(1, `${error.code} ${error.pid} ${error.endpoint}\n`)
}
