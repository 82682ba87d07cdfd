/** Which ClickHouse to use: a configured endpoint, a `clickhouse` program on the PATH, or libchdb from its npm package. */
import { execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { SinkError } from './errors.ts'

export type Found =
  | { readonly how: 'configured'; readonly url: string; readonly user: string; readonly password: string }
  | { readonly how: 'program'; readonly path: string; readonly name: string }
  | { readonly how: 'library'; readonly path: string; readonly name: string }

export interface FindOptions {
  /** Endpoint of a server that runs already; default SLUICE_CLICKHOUSE_URL. */
  readonly url?: string
  readonly user?: string
  readonly password?: string
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Name of the npm package with libchdb; default that of this platform. */
  readonly libraryPackage?: string
}

/** The oldest version whose statements we use. */
const OLDEST = 24

/** Where a server is found, in order. Errors: SLUICE_CLICKHOUSE_NOT_FOUND, with what was looked for and what to do. */
export function findServer(options: FindOptions = {}): Found {
  const environment = options.environment ?? process.env
  const url = options.url ?? environment['SLUICE_CLICKHOUSE_URL']
  if (url !== undefined && url !== '') {
    const parsed = new URL(url)
    const user = options.user ?? environment['SLUICE_CLICKHOUSE_USER'] ?? decodeURIComponent(parsed.username)
    const password =
      options.password ?? environment['SLUICE_CLICKHOUSE_PASSWORD'] ?? decodeURIComponent(parsed.password)
    return { how: 'configured', url: parsed.origin, user: user === '' ? 'default' : user, password }
  }
  const notes: string[] = []
  return (
    onPath(environment['PATH'] ?? '', notes) ??
    fromPackage(options.libraryPackage ?? platformPackage(), notes) ??
    notFound(notes)
  )
}

function onPath(path: string, notes: string[]): Found | null {
  for (const directory of path.split(delimiter)) {
    const candidate = join(directory, 'clickhouse')
    if (directory === '' || !executable(candidate)) continue
    const version = versionOf(candidate)
    if (version >= OLDEST) return { how: 'program', path: candidate, name: candidate }
    notes.push(`${candidate} is ${version === 0 ? 'no ClickHouse server' : `version ${version}, too old`}`)
  }
  if (notes.length === 0) notes.push('no `clickhouse` program on the PATH')
  return null
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Year of the version, 0 when the program does not say one. */
function versionOf(path: string): number {
  try {
    const text = execFileSync(path, ['server', '--version'], { encoding: 'utf8', timeout: 20_000, stdio: 'pipe' })
    return Number(/version (\d+)\./.exec(text)?.[1] ?? 0)
  } catch {
    return 0
  }
}

const platformPackage = (): string =>
  `@chdb/lib-${process.platform}-${process.arch}${process.platform === 'linux' ? '-gnu' : ''}`

function fromPackage(name: string, notes: string[]): Found | null {
  const require = createRequire(import.meta.url)
  try {
    const library = join(dirname(require.resolve(`${name}/package.json`)), 'libchdb.so')
    require.resolve('ffi-rs')
    if (existsSync(library)) return { how: 'library', path: library, name }
    notes.push(`the npm package ${name} has no libchdb.so`)
  } catch {
    notes.push(`the npm package ${name} is not installed`)
  }
  return null
}

function notFound(notes: string[]): never {
  const looked = ['no endpoint is configured', ...notes].join('; ')
  throw new SinkError('SLUICE_CLICKHOUSE_NOT_FOUND', `No ClickHouse on ${process.platform} ${process.arch}: ${looked}.`)
}
