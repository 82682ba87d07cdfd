/** Starts Redis, says its process id and directory, and waits to be killed. */
import { running } from '../index.ts'
import { redis } from '../redis.ts'

const { server, directory } = running(await redis({ own: true }))
process.stdout.write(`${JSON.stringify({ pid: server!.pid, directory })}\n`)
setInterval(() => undefined, 1 << 30)
