/** How one topic feeds one table: its record writer, its columns, and the one INSERT that a block becomes. */
import type { ClickHouseSettings } from '@clickhouse/client'
import type { Block } from './blocks.ts'
import type { ClickHouse } from './clickhouse.ts'
import { SinkError } from './errors.ts'
import { compileRows, type RowColumn, type RowWriter } from './rows.ts'

/** What the sink has to know of a topic; an entry of schemas/topics.ts fits. */
export interface FedTopic {
  readonly name: string
  readonly table: string
  /** Wire id and schema of its records. */
  readonly record: { readonly id: number; readonly schema: string }
  /** Wire id of its marks. */
  readonly markId: number
}

/** Which of the two layers of exactly-once are on; off only in a negative control and in a repair. */
export interface Safety {
  readonly token: boolean
  readonly guard: boolean
}

/** Columns that the INSERT gives itself: the same for every row of a block. */
const CONSTANT = ['_sub', '_blk', '_blk_rows']

export class Feed {
  readonly topic: FedTopic
  readonly writer: RowWriter
  private readonly structure: string
  private readonly names: string

  constructor(topic: FedTopic) {
    this.topic = topic
    this.writer = compileRows(topic.record.schema)
    this.names = this.writer.columns.map(({ name }) => `\`${name}\``).join(', ')
    const structure = this.writer.columns.map(({ name, type }) => `\`${name}\` ${type}`).join(', ')
    this.structure = structure.replaceAll('\\', '\\\\').replaceAll("'", "\\'")
  }

  /** Errors: SLUICE_SINK_TABLE when the table does not have just the columns that the topic fills, of the same types. */
  async check(clickHouse: ClickHouse): Promise<void> {
    const { table } = this.topic
    const described = await clickHouse.rows<RowColumn>(
      `SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = '${table}' ORDER BY position`,
    )
    const there = described.filter(({ name }) => !CONSTANT.includes(name)).map(columnText)
    const filled = this.writer.columns.map(columnText)
    const missing = filled.filter((column) => !there.includes(column))
    const unknown = there.filter((column) => !filled.includes(column))
    if (missing.length + unknown.length === 0) return
    const what = `${table} lacks [${missing.join('; ')}] and has nothing for [${unknown.join('; ')}].`
    throw new SinkError('SLUICE_SINK_TABLE', what)
  }

  /** The highest seq of a task in the table, -1 when it has none: the guard's own question, and the resume position. */
  async highest(clickHouse: ClickHouse, task: number): Promise<number> {
    const [{ high }] = await clickHouse.rows<{ high: string }>(`SELECT (${this.highestOf(task)}) AS high`)
    return Number(high)
  }

  /**
   * Inserts a block. With both layers on it may be sent as often as one likes, by whomever: the token drops copies that
   * race or come again within the window, the guard those that come after it.
   */
  async insert(
    clickHouse: ClickHouse,
    topicId: string,
    task: number,
    block: Block,
    safety: Safety,
    pinned: ClickHouseSettings,
  ): Promise<void> {
    const { table } = this.topic
    const guard = safety.guard ? `WHERE _src_seq > (${this.highestOf(task)})` : ''
    const query =
      `INSERT INTO ${table} (${CONSTANT.join(', ')}, ${this.names}) ` +
      `SELECT toUInt32(0), toInt64(${block.firstSeq}), toUInt32(${block.rows}), ${this.names} ` +
      `FROM input('${this.structure}') ${guard} FORMAT RowBinary`
    const token = `${table}:${topicId}:${task}:${block.firstSeq}-${block.lastSeq}`
    await clickHouse.insert(query, block.body, {
      ...(safety.token ? { insert_deduplication_token: token, insert_deduplicate: 1 } : { insert_deduplicate: 0 }),
      ...pinned,
      ...onePart,
    })
  }

  private highestOf(task: number): string {
    // max() of nothing is 0, and maxOrNull does not use the projection.
    return `SELECT if(count() = 0, -1, max(_src_seq)) FROM ${this.topic.table} WHERE _src_task = ${task}`
  }
}

const columnText = ({ name, type }: RowColumn): string => `${name} ${withoutLowCardinality(type)}`

function withoutLowCardinality(type: string): string {
  return type.replace(/^LowCardinality\((.*)\)$/, '$1')
}

/** One INSERT, one part: no insert in the background, one thread, no block of the server's own that is smaller. */
const onePart: ClickHouseSettings = {
  async_insert: 0,
  max_threads: 1,
  max_insert_threads: '1',
  max_insert_block_size: '1048576',
  min_insert_block_size_rows: '1048576',
  min_insert_block_size_bytes: '0',
}

/**
 * Settings that newer versions have and that decide about deduplication, pinned where the server knows them. `on` fails
 * rather than silently insert without; insert_deduplicate = 0 alone does not switch it off in 26.7.
 */
export async function deduplicationSettings(
  clickHouse: ClickHouse,
): Promise<{ readonly on: ClickHouseSettings; readonly off: ClickHouseSettings }> {
  const known = await clickHouse.rows<{ name: string }>(
    "SELECT name FROM system.settings WHERE name IN ('deduplicate_insert', 'deduplicate_insert_select')",
  )
  const names = new Set(known.map(({ name }) => name))
  const pin = (insert: string, select: string): ClickHouseSettings => ({
    ...(names.has('deduplicate_insert') ? { deduplicate_insert: insert } : {}),
    ...(names.has('deduplicate_insert_select') ? { deduplicate_insert_select: select } : {}),
  })
  return { on: pin('enable', 'force_enable'), off: pin('disable', 'disable') }
}
