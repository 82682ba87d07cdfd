/** Prometheus' own checker, where it is installed (Debian package prometheus); a named skip where it is not. */
import { spawnSync } from 'node:child_process'

const found = spawnSync('promtool', ['--version'], { encoding: 'utf8' })

/** Why the checks are skipped; null when they run. */
export const promtoolMissing: string | null =
  found.status === 0 ? null : 'promtool is not installed (Debian: apt-get install prometheus)'

/** Runs promtool; gives its exit code and everything it said. */
export function promtool(args: readonly string[], input = ''): { readonly code: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' })
  return { code: status, said: `${stdout}${stderr}` }
}
