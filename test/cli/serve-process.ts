/** `serve` as a process of its own, for tests that stop and kill it: options as JSON in the first argument. */
import { serve, type ServeOptions } from '../../cli/serve.ts'
import { say } from '../../cli/output.ts'

try {
  process.exitCode = await serve(JSON.parse(process.argv[2]) as ServeOptions)
} catch (error) {
  say(`failed: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 2
}
