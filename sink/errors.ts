/** What can go wrong at the sink, each with a code and with what the operator does about it. */

/** Every error code of the sink and the operator's action. */
export const sinkErrors = {
  SLUICE_CLICKHOUSE_NOT_FOUND:
    'Set SLUICE_CLICKHOUSE_URL (with SLUICE_CLICKHOUSE_USER and SLUICE_CLICKHOUSE_PASSWORD) to a ClickHouse 24 or later, or put a `clickhouse` program on the PATH, or run on Linux x64, where it comes with the npm packages.',
  SLUICE_CLICKHOUSE_START:
    'Read the message of the server; free the port, the disk or the memory it names and start again.',
  SLUICE_CLICKHOUSE_LOCKED:
    'Another process uses this data directory. Stop it (the message of the server names it) or give another directory.',
  SLUICE_CLICKHOUSE_GONE:
    'The server died again and again. Read its message and server.log, then start again: nothing is lost.',
  SLUICE_CLICKHOUSE_UNREACHABLE:
    'Check that the endpoint is up and that nothing stands between; the sink goes on by itself.',
  SLUICE_CLICKHOUSE_REFUSED: 'ClickHouse refused the statement for good. Read its message; nothing was inserted.',
  SLUICE_SINK_MIGRATION_CHANGED:
    'A table file was changed after it had been applied. Put the old text back and write the change as a new file.',
  SLUICE_SINK_OTHER_LOG:
    'These tables were filled from another log. Use another database (or an empty one) for this log.',
  SLUICE_SINK_GAP:
    'A record is missing in the log of an output topic. Stop, keep the log and run `verify`; nothing after the gap was inserted.',
  SLUICE_SINK_RECORD:
    'A record of an output topic is not what its schema says. Stop, keep the log and run `verify`; nothing after it was inserted.',
  SLUICE_SINK_RETENTION:
    'The log no longer keeps what ClickHouse still needs. Restore a backup of ClickHouse or of the log.',
  SLUICE_SINK_TABLE:
    'The table does not have the columns that its topic fills. Bring tables/*.sql and schemas/ in line.',
  SLUICE_SINK_AUDIT:
    'Rows in ClickHouse differ from the log. Keep both, read which blocks, and repair the missing ones.',
  SLUICE_ASK_UNKNOWN: 'List the questions with `ask` without a name.',
  SLUICE_ASK_PARAMETER: 'Give the parameters that the question lists, each as name=value.',
} as const

export type SinkErrorCode = keyof typeof sinkErrors

/** An error of the sink. `retry`: the same call may succeed later, and nothing has to be changed by hand. */
export class SinkError extends Error {
  readonly code: SinkErrorCode
  readonly retry: boolean

  constructor(code: SinkErrorCode, what: string, options: { retry?: boolean; cause?: unknown } = {}) {
    super(`${code}: ${what} ${sinkErrors[code]}`, { cause: options.cause })
    this.name = 'SinkError'
    this.code = code
    this.retry = options.retry ?? false
  }
}
