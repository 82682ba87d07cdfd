/** Proves from the tables themselves that every row is there once: rows = different rows = rows of the block, no block missing. */
import type { ClickHouse } from './clickhouse.ts'

export interface Finding {
  readonly kind: 'missing' | 'incomplete' | 'duplicate' | 'overlapping'
  readonly table: string
  readonly task: number
  /** Numbers of the first and the last record concerned. */
  readonly firstSeq: number
  readonly lastSeq: number
  /** The finding in words. */
  readonly text: string
}

export interface TableAudit {
  readonly table: string
  readonly rows: number
  /** Different (_src_task, _src_seq, _sub). */
  readonly unique: number
  /** Rows that the blocks say they have, and up to `upTo` those of the log. */
  readonly expected: number
  readonly blocks: number
}

export interface Audit {
  readonly ok: boolean
  readonly tables: readonly TableAudit[]
  readonly findings: readonly Finding[]
}

interface BlockRow {
  task: number
  blk: string
  rows: string
  unique: string
  expected: string
  low: string
  high: string
}

/** What a table should hold: per task the number after the last record that a cut has closed, where it is known. */
export interface Expectation {
  readonly table: string
  readonly upTo: ReadonlyMap<number, number>
}

/** Audits tables. Errors: those of the client. */
export async function audit(clickHouse: ClickHouse, expectations: readonly Expectation[]): Promise<Audit> {
  const tables: TableAudit[] = []
  const findings: Finding[] = []
  for (const { table, upTo } of expectations) {
    const blocks = await clickHouse.rows<BlockRow>(
      `SELECT _src_task AS task, _blk AS blk, count() AS rows, uniqExact(_src_seq, _sub) AS unique,
        any(_blk_rows) AS expected, min(_src_seq) AS low, max(_src_seq) AS high
      FROM ${table} GROUP BY task, blk ORDER BY task, blk`,
      {},
      // Blocks and tasks are few, their rows are not.
      { output_format_json_quote_64bit_integers: 1 },
    )
    const sum = (of: (block: BlockRow) => string): number =>
      blocks.reduce((total, block) => total + Number(of(block)), 0)
    const found = ofTable(table, blocks, upTo)
    const missing = found
      .filter(({ kind }) => kind === 'missing')
      .reduce((total, { firstSeq, lastSeq }) => total + lastSeq - firstSeq + 1, 0)
    tables.push({
      table,
      rows: sum(({ rows }) => rows),
      unique: sum(({ unique }) => unique),
      expected: sum(({ expected }) => expected) + missing,
      blocks: blocks.length,
    })
    findings.push(...found)
  }
  return { ok: findings.length === 0, tables, findings }
}

function ofTable(table: string, blocks: readonly BlockRow[], upTo: ReadonlyMap<number, number>): Finding[] {
  const findings: Finding[] = []
  const next = new Map<number, number>()
  const add = (kind: Finding['kind'], task: number, firstSeq: number, lastSeq: number, what: string): void => {
    findings.push({ kind, table, task, firstSeq, lastSeq, text: `${table}, task ${task}: ${what}` })
  }
  for (const block of blocks) {
    const task = Number(block.task)
    const [first, rows, unique, expected, low, high] = [
      block.blk,
      block.rows,
      block.unique,
      block.expected,
      block.low,
      block.high,
    ].map(Number)
    const last = first + expected - 1
    const name = `block ${first}-${last}`
    const from = next.get(task) ?? 0
    if (first > from) add('missing', task, from, first - 1, `numbers ${from} to ${first - 1} are not there`)
    if (first < from) add('overlapping', task, first, last, `${name} begins inside the one before it`)
    if (rows > unique) add('duplicate', task, first, last, `${name} has ${rows - unique} rows twice`)
    if (unique < expected) add('incomplete', task, first, last, `${name} has ${unique} of ${expected} rows`)
    if (unique > expected || low < first || high > last) {
      add('overlapping', task, low, high, `${name} has numbers ${low} to ${high}`)
    }
    next.set(task, Math.max(from, last + 1))
  }
  for (const [task, end] of upTo) {
    const from = next.get(task) ?? 0
    if (from < end) add('missing', task, from, end - 1, `numbers ${from} to ${end - 1} are not there`)
  }
  return findings
}
