/**
 * One at a time among all processes that share a database: whoever makes tables or repairs rows.
 *
 * ClickHouse has no locks, but a table can be made only once: the lock is a table `_exclusive_N`, of the lowest number that
 * nobody holds. Its holder renews its comment; one that was not renewed for a while belongs to a process that died, and the
 * next number is taken then. A holder that was only stopped for so long may go on beside the next one: what runs here
 * can run twice, one after the other or overlapping by a statement.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClickHouse } from './clickhouse.ts'
import { SinkError } from './errors.ts'

export interface ExclusiveOptions {
  readonly database: string
  /** Renewed so often ... */
  readonly renewMs?: number
  /** ... and taken for abandoned after so many seconds by the server's clock. */
  readonly abandonedSeconds?: number
}

/** Code of ClickHouse for a table that is there. */
const EXISTS = /code 57\b/
const PAUSE_MS = 100

interface Lock {
  readonly name: string
  readonly age: string
}

/** Runs `work` while nobody else does. `admin` may make tables in the database, which exists. Errors: those of `work`. */
export async function exclusively<T>(
  admin: ClickHouse,
  { database, renewMs = 3_000, abandonedSeconds = 20 }: ExclusiveOptions,
  work: () => Promise<T>,
): Promise<T> {
  const me = randomUUID()
  const name = await take(admin, database, me, abandonedSeconds)
  let turn = 0
  const renewed = setInterval(() => {
    // What cannot be renewed now is renewed next time; when it never can, the work cannot go on either.
    admin.command(`ALTER TABLE ${database}.${name} MODIFY COMMENT '${me} ${++turn}'`).catch(() => undefined)
  }, renewMs)
  try {
    return await work()
  } finally {
    clearInterval(renewed)
    await admin.command(`DROP TABLE IF EXISTS ${database}.${name} SYNC`)
  }
}

async function take(admin: ClickHouse, database: string, me: string, abandonedSeconds: number): Promise<string> {
  for (;;) {
    const held = await admin.rows<Lock>(
      `SELECT name, toString(dateDiff('second', metadata_modification_time, now())) AS age FROM system.tables
       WHERE database = {database:String} AND match(name, '^_exclusive_[0-9]+$') ORDER BY length(name) DESC, name DESC`,
      { database },
    )
    const [newest] = held
    if (newest === undefined || Number(newest.age) > abandonedSeconds) {
      const number = newest === undefined ? 1 : Number(newest.name.slice('_exclusive_'.length)) + 1
      const name = `_exclusive_${number}`
      if (await made(admin, `${database}.${name}`, me)) {
        for (const old of held) await admin.command(`DROP TABLE IF EXISTS ${database}.${old.name} SYNC`)
        return name
      }
    }
    await sleep(PAUSE_MS)
  }
}

async function made(admin: ClickHouse, table: string, me: string): Promise<boolean> {
  try {
    await admin.command(`CREATE TABLE ${table} (at DateTime) ENGINE = MergeTree ORDER BY at COMMENT '${me}'`)
    return true
  } catch (error) {
    if (error instanceof SinkError && EXISTS.test(error.message)) return false
    throw error
  }
}
