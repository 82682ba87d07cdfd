/**
 * Starts the services that tests start, prints where they listen as environment for tests and workers, and ends them on
 * Ctrl-C. Exit code 1 when one is missing, with the reason.
 */
import { missingOf, running, services } from './index.ts'

const found = await services('kafka', 'redis')
const missing = missingOf(found)
if (missing === null) {
  const { kafka, redis, stop } = running(found)
  process.stdout.write(`SLUICE_KAFKA=${kafka.endpoint}\nSLUICE_REDIS=${redis.endpoint}\n`)
  // Without something to wait for, Node would end here.
  const waiting = setInterval(() => undefined, 1 << 30)
  const end = async (): Promise<void> => {
    clearInterval(waiting)
    await stop()
  }
  process.once('SIGINT', () => void end())
  process.once('SIGTERM', () => void end())
} else {
  process.stderr.write(`${missing}\n`)
  process.exitCode = 1
}
