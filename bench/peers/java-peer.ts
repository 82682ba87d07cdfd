/** The Kafka Streams peer: built once per state of its sources with Maven, in a cache folder of its own. */

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const sources = fileURLToPath(new URL('java', import.meta.url))
const schemas = fileURLToPath(new URL('schemas', import.meta.url))

/** The class path of the peer, or why there is none. */
export async function javaPeer(): Promise<{ classPath: string } | { missing: string }> {
  const java = await run('java', ['-version'])
  if (java.code !== 0) return { missing: `no Kafka Streams: 'java' is not on the PATH (17 or later is needed)` }
  const base = join(process.env.XDG_CACHE_HOME ?? tmpdir(), 'sluice-bench')
  const built = join(base, `kafka-streams-${digest()}`)
  if (!existsSync(built)) {
    mkdirSync(base, { recursive: true })
    const work = mkdtempSync(join(base, 'build-'))
    cpSync(sources, work, { recursive: true })
    cpSync(schemas, join(work, 'schemas'), { recursive: true })
    const { code, said } = await run('mvn', ['-q', '-B', 'package'], work)
    if (code !== 0) {
      rmSync(work, { recursive: true })
      if (code === null) return { missing: `no Kafka Streams: 'mvn' is not on the PATH` }
      return { missing: `no Kafka Streams: mvn could not build it: ${said.trim().slice(-2000)}` }
    }
    try {
      renameSync(work, built)
    } catch (error) {
      // Another one was faster.
      rmSync(work, { recursive: true })
      if (!existsSync(built)) throw error
    }
  }
  return { classPath: `${join(built, 'target', 'classes')}:${join(built, 'target', 'lib')}/*` }
}

function digest(): string {
  const hash = createHash('sha256')
  for (const folder of [sources, schemas]) {
    const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    for (const entry of names.filter((each) => each.isFile()).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      hash.update(entry.name).update(readFileSync(join(entry.parentPath, entry.name)))
    }
  }
  return hash.digest('hex').slice(0, 12)
}

/** Exit code null: it could not be started. */
function run(command: string, args: readonly string[], cwd?: string): Promise<{ code: number | null; said: string }> {
  return new Promise((resolve) => {
    execFile(command, args, { cwd, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null
      resolve({ code, said: stdout + stderr })
    })
  })
}
