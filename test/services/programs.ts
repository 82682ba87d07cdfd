/** Programs that tests run beside the services: of the PATH, else out of Debian's packages, unpacked into the cache. */
import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { cached, run } from './cache.ts'
import type { Missing } from './service.ts'

export interface Program {
  readonly path: string
  readonly env: NodeJS.ProcessEnv
}

/** Debian's package of each program that is worth fetching when it is not installed. */
const packages: Readonly<Record<string, string>> = {
  'redis-server': 'redis-server',
  promtool: 'prometheus',
  prometheus: 'prometheus',
  kcat: 'kcat',
}

/** Where a program is, or that there is none: `promtool`, `prometheus`, `kcat`, `redis-server`, anything on the PATH. */
export async function program(name: string): Promise<Program | Missing> {
  const found = onPath(name)
  if (found !== null) return { path: found, env: process.env }
  const fetched = packages[name] === undefined ? null : await unpacked(packages[name])
  if (fetched !== null) {
    const path = ['usr/bin', 'usr/sbin', 'bin'].map((folder) => join(fetched, folder, name)).find(existsSync)
    if (path !== undefined) return { path, env: { ...process.env, LD_LIBRARY_PATH: librariesOf(fetched) } }
  }
  return { missing: `'${name}' is not on the PATH` }
}

function onPath(name: string): string | null {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name)
    try {
      accessSync(path, constants.X_OK)
      if (folder !== '') return path
    } catch {
      // Not in this folder.
    }
  }
  return null
}

/** What a package and those that it needs hold, without installing them. Null where there is no apt, or no such package. */
async function unpacked(name: string): Promise<string | null> {
  if (onPath('apt-get') === null || onPath('dpkg-deb') === null) return null
  return cached(`debian-${name}`, async (into) => {
    const work = join(into, '..')
    const archives = ['-o', `Dir::Cache::archives=${work}`, '-o', 'Debug::NoLocking=true']
    const install = ['install', '-y', '-qq', '--no-install-recommends', '--download-only', ...archives, name]
    let got = await run('apt-get', install)
    if (got.code !== 0 && (await run('apt-get', ['update', '-qq'])).code === 0) got = await run('apt-get', install)
    if (got.code !== 0) return false
    const archived = readdirSync(work).filter((each) => each.endsWith('.deb'))
    for (const file of archived) if ((await run('dpkg-deb', ['-x', join(work, file), into])).code !== 0) return false
    return archived.length > 0
  })
}

/** Folders with shared libraries in an unpacked package: usr/lib, and the one of each architecture under it. */
function librariesOf(root: string): string {
  const folders = [join(root, 'usr/lib'), join(root, 'lib')].filter(existsSync)
  const inner = folders.flatMap((folder) => {
    const entries = readdirSync(folder, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory()).map((entry) => join(folder, entry.name))
  })
  return [...folders, ...inner].join(delimiter)
}
