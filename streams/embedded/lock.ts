/**
 * The exclusive lock of a data directory, which names its holder.
 *
 * The lock itself is SQLite's exclusive lock on `lock.db` (node:sqlite, part of Node): an advisory lock of the kernel on
 * an open file. So it ends with the process however that ends, kill -9 included; two starters at once cannot both get
 * it; and no process id is ever compared, so a reused id fools nobody. SQLite also refuses a second open in one process.
 * `holder.json` beside it only says whom to talk to. It is believed only while the lock is taken.
 * Nothing else in the process may open lock.db: closing any descriptor of it would drop a POSIX lock.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { CodedError, codedStoreError, LockedError } from '../errors.ts'

export interface Holder {
  readonly pid: number
  /** HTTP endpoint of the holder, null until it listens. */
  readonly endpoint: string | null
}

export interface DirectoryLock {
  /** Tells others where this process listens. */
  setEndpoint(endpoint: string | null): void
  release(): void
}

const SQLITE_BUSY = 5

/** What the holder, the present one or the last, has said about itself; null when nobody has. */
export function readHolder(directory: string): Holder | null {
  try {
    const { pid, endpoint } = JSON.parse(readFileSync(join(directory, 'holder.json'), 'utf8')) as Partial<Holder>
    return typeof pid === 'number' ? { pid, endpoint: endpoint ?? null } : null
  } catch {
    // Absent, or not readable: the lock holds without it.
    return null
  }
}

function tryLock(directory: string): DatabaseSync | null {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(join(directory, 'lock.db'), { timeout: 0 })
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database?.close()
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return null
    throw codedStoreError(error, `lock of ${directory}`)
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM'
  }
}

/**
 * Takes the lock. Errors: LockedError with pid and endpoint of the holder; SLUICE_READ_ONLY.
 * A holder that has just got the lock may not have written its name yet: it is given up to half a second for it.
 */
export async function lockDirectory(directory: string, endpoint: string | null): Promise<DirectoryLock> {
  let database = tryLock(directory)
  for (let wait = 0; database === null && wait < 10; wait++) {
    const holder = readHolder(directory)
    if (holder !== null && alive(holder.pid)) break
    await new Promise((resolve) => setTimeout(resolve, 50))
    database = tryLock(directory)
  }
  if (database === null) {
    const holder = readHolder(directory)
    const known = holder !== null && alive(holder.pid)
    throw new LockedError(directory, known ? holder.pid : null, known ? holder.endpoint : null)
  }
  const held = database
  let released = false
  const file = join(directory, 'holder.json')
  const name = (at: string | null): void => {
    if (released) throw new CodedError('SLUICE_CLOSED', `lock of ${directory}`)
    const next = `${file}.${process.pid}`
    writeFileSync(next, `${JSON.stringify({ pid: process.pid, endpoint: at })}\n`, { mode: 0o600 })
    renameSync(next, file)
  }
  try {
    name(endpoint)
  } catch (error) {
    held.close()
    throw codedStoreError(error, file)
  }
  return {
    setEndpoint: name,
    release() {
      if (released) return
      released = true
      try {
        rmSync(file, { force: true })
      } finally {
        held.close()
      }
    },
  }
}
