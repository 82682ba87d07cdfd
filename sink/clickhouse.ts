/** A thin client of ClickHouse over HTTP: statements, rows, ready binary bodies, and errors that say whether to try again. */
import { Readable } from 'node:stream'
import {
  ClickHouseError,
  ClickHouseLogLevel,
  createClient,
  type ClickHouseClient,
  type ClickHouseSettings,
} from '@clickhouse/client'
import { SinkError } from './errors.ts'
import type { Credentials } from './server-config.ts'

export interface ClickHouseOptions {
  /** Asked before every call: the port may change when a server of our own is started again. May throw a SinkError. */
  readonly url: () => string
  readonly credentials: Credentials
  readonly database: string
  /** Bound of one call, ms; default 60 s. */
  readonly timeoutMs?: number
  /** Settings of every call. */
  readonly settings?: ClickHouseSettings
}

export type Parameters = Readonly<Record<string, string | number | boolean | bigint | readonly (string | number)[]>>

/** Numeric codes of ClickHouse that pass by themselves: load, memory, disk, shutdown, a replica that is behind. */
const PASSING = new Set([
  '75', // CANNOT_WRITE_TO_FILE_DESCRIPTOR: the disk is full, as seen from below
  '76', // CANNOT_OPEN_FILE
  '159', // TIMEOUT_EXCEEDED
  '160', // TOO_SLOW
  '202', // TOO_MANY_SIMULTANEOUS_QUERIES
  '203', // NO_FREE_CONNECTION
  '209', // SOCKET_TIMEOUT
  '210', // NETWORK_ERROR
  '236', // ABORTED
  '241', // MEMORY_LIMIT_EXCEEDED
  '242', // TABLE_IS_READ_ONLY
  '243', // NOT_ENOUGH_SPACE
  '252', // TOO_MANY_PARTS
  '285', // TOO_FEW_LIVE_REPLICAS
  '319', // UNKNOWN_STATUS_OF_INSERT
  '394', // QUERY_WAS_CANCELLED
  '439', // CANNOT_SCHEDULE_TASK
  '999', // KEEPER_EXCEPTION
])

/** Error of a call as a SinkError: REFUSED (final), or UNREACHABLE with `retry`. What was sent may have taken effect. */
export function classified(error: unknown, what: string): SinkError {
  if (error instanceof SinkError) return error
  const message = error instanceof Error ? error.message.split('\n')[0].slice(0, 500).trim() : String(error)
  if (error instanceof ClickHouseError && !PASSING.has(error.code)) {
    return new SinkError(
      'SLUICE_CLICKHOUSE_REFUSED',
      `${what}: ${error.type ?? ''} (code ${error.code}): ${message.replace(/\.$/, '')}.`,
      {
        cause: error,
      },
    )
  }
  const name = message === '' && error instanceof Error ? error.name : message
  return new SinkError('SLUICE_CLICKHOUSE_UNREACHABLE', `${what}: ${name}.`, { retry: true, cause: error })
}

export class ClickHouse {
  private readonly options: ClickHouseOptions
  private client: ClickHouseClient | null = null
  private clientUrl = ''

  constructor(options: ClickHouseOptions) {
    this.options = options
  }

  /** Runs a statement without rows. Errors: `classified`. */
  async command(query: string, settings: ClickHouseSettings = {}): Promise<void> {
    await this.call(query, async (client) => {
      await client.command({ query, clickhouse_settings: { wait_end_of_query: 1, ...settings } })
    })
  }

  /** Sends bytes in the format that the statement ends with, and waits until they are inserted. Errors: `classified`. */
  async insert(query: string, body: Uint8Array, settings: ClickHouseSettings = {}): Promise<void> {
    await this.call(query, async (client) => {
      // One chunk per write: a body of many small ones costs more than the insert.
      const values = Readable.from([Buffer.from(body.buffer, body.byteOffset, body.byteLength)], { objectMode: false })
      const { stream } = await client.exec({
        query,
        values,
        clickhouse_settings: { wait_end_of_query: 1, ...settings },
      })
      for await (const _ of stream) void _
    })
  }

  /** Rows as objects; integers of 64 bits and more come as text, exact. Errors: `classified`. */
  async rows<Row>(query: string, parameters: Parameters = {}, settings: ClickHouseSettings = {}): Promise<Row[]> {
    return this.call(query, async (client) => {
      const result = await client.query({
        query,
        query_params: parameters,
        format: 'JSONEachRow',
        clickhouse_settings: { output_format_json_quote_64bit_integers: 1, wait_end_of_query: 1, ...settings },
      })
      return result.json<Row>()
    })
  }

  /** The answer as text in a format of ClickHouse (CSVWithNames, PrettyCompact, ...). Errors: `classified`. */
  async text(
    query: string,
    format: string,
    parameters: Parameters = {},
    settings: ClickHouseSettings = {},
  ): Promise<string> {
    return this.call(query, async (client) => {
      const { stream } = await client.exec({
        query: `${query.trim().replace(/;$/, '')}\nFORMAT ${format}`,
        query_params: parameters,
        clickhouse_settings: { wait_end_of_query: 1, ...settings },
      })
      const chunks: Buffer[] = []
      for await (const chunk of stream) chunks.push(Buffer.from(chunk as Uint8Array))
      return Buffer.concat(chunks).toString('utf8')
    })
  }

  async close(): Promise<void> {
    await this.client?.close()
    this.client = null
  }

  private async call<T>(query: string, run: (client: ClickHouseClient) => Promise<T>): Promise<T> {
    const client = await this.connected()
    try {
      return await run(client)
    } catch (error) {
      throw classified(error, `${this.clientUrl}, ${query.trim().split('\n')[0].slice(0, 120)}`)
    }
  }

  private async connected(): Promise<ClickHouseClient> {
    const url = this.options.url()
    if (this.client !== null && this.clientUrl === url) return this.client
    const former = this.client
    this.clientUrl = url
    this.client = createClient({
      url,
      username: this.options.credentials.user,
      password: this.options.credentials.password,
      database: this.options.database,
      request_timeout: this.options.timeoutMs ?? 60_000,
      max_open_connections: 8,
      clickhouse_settings: this.options.settings,
      // What it would log, it also throws, and libraries do not print.
      log: { level: ClickHouseLogLevel.OFF },
    })
    await former?.close()
    return this.client
  }
}
