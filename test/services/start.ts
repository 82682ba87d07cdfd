/**
 * Starts the services that tests start, prints where they listen as environment for tests and commands, and ends them on
 * Ctrl-C. Names of some of them as arguments: only those. Exit code 1 when one is missing, with the reason.
 */
import { missingOf, running, services, type ServiceName } from './index.ts'
import { names } from './service.ts'

const known = Object.keys(names) as ServiceName[]
const asked = process.argv.slice(2)
const unknown = asked.filter((name) => !known.some((each) => each === name))
const wanted = asked.length === 0 ? known : known.filter((name) => asked.includes(name))

if (unknown.length > 0) {
  process.stderr.write(`${unknown.join(', ')}: unknown; there are ${known.join(', ')}\n`)
  process.exitCode = 1
} else {
  const found = await services(...wanted)
  const missing = missingOf(found)
  if (missing === null) {
    const started = running(found)
    for (const name of wanted) process.stdout.write(`${names[name][1]}=${started[name].endpoint}\n`)
    // One broker cannot keep the three replicas that a line asks for by default.
    if (wanted.includes('kafka')) process.stdout.write('SLUICE_KAFKA_REPLICATION_FACTOR=1\n')
    process.stderr.write(`${wanted.join(', ')} run until you press Ctrl-C\n`)
    // Without something to wait for, Node would end here.
    const waiting = setInterval(() => undefined, 1 << 30)
    const end = async (): Promise<void> => {
      clearInterval(waiting)
      await started.stop()
    }
    process.once('SIGINT', () => void end())
    process.once('SIGTERM', () => void end())
  } else {
    process.stderr.write(`${missing}\n`)
    process.exitCode = 1
  }
}
