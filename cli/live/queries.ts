/** Answers to questions: the life of a transaction, the balance sheet, the topology, named questions and SQL. */

import { QueryError, type Queries, type Question, type Table, type TransactionView } from '../../intake/http/ports.ts'
import { ask, questions } from '../../sink/ask.ts'
import type { ClickHouse } from '../../sink/clickhouse.ts'
import { SinkError } from '../../sink/errors.ts'
import { describe, mermaid } from '../../streams/index.ts'
import type { LineView } from '../line-view.ts'
import type { TablesView } from '../tables.ts'
import { steadySheet } from './balance.ts'
import type { DrawnGraph } from './graph.ts'
import { Lookup } from './lookup.ts'

export interface QueriesOptions {
  readonly engine: LineView
  /** Null: there are no tables; questions and SQL are refused. */
  readonly tables: TablesView | null
  readonly drawn: DrawnGraph
  /** Transactions decided per second now. */
  readonly perSecond: () => number
}

/** Rows of an answer that is sent over HTTP at most: beyond it ClickHouse itself is the better door. */
const MOST_ROWS = 100_000

export class LiveQueries implements Queries {
  private readonly options: QueriesOptions
  private readonly finder: Lookup

  constructor(options: QueriesOptions) {
    const { engine, tables } = options
    this.options = options
    this.finder = new Lookup({
      engine,
      tables: tables === null ? null : { sink: tables.sink, analyst: tables.opened.analyst },
    })
  }

  lookup(producer: string, transactionId: string, payerAccount?: string): Promise<readonly TransactionView[]> {
    return this.finder.find({ producer, transactionId, payerAccount })
  }

  balance(): Promise<object> {
    return steadySheet(this.options.engine, this.options.perSecond())
  }

  topology(): Promise<{ readonly text: string; readonly mermaid: string; readonly graph: object }> {
    const { engine, drawn } = this.options
    return Promise.resolve({
      text: describe(...engine.topologies),
      mermaid: mermaid(...engine.topologies),
      graph: drawn.graph,
    })
  }

  questions(): Promise<readonly Question[]> {
    return Promise.resolve(
      questions().map(({ name, question, parameters }) => ({
        name,
        about: question,
        parameters: parameters.map((parameter) => ({
          name: parameter.name,
          about: parameter.explanation,
          required: false,
        })),
      })),
    )
  }

  async ask(name: string, parameters: Readonly<Record<string, string>>): Promise<Table | null> {
    const analyst = this.analyst()
    try {
      return tableOf(await ask(analyst, name, parameters))
    } catch (error) {
      if (error instanceof SinkError && error.code === 'SLUICE_ASK_UNKNOWN') return null
      throw refusal(error)
    }
  }

  async sql(query: string): Promise<Table> {
    try {
      return tableOf(await this.analyst().rows(query, {}, { max_result_rows: String(MOST_ROWS) }))
    } catch (error) {
      throw refusal(error)
    }
  }

  private analyst(): ClickHouse {
    const { tables } = this.options
    if (tables === null)
      throw new QueryError('This process runs without tables (--no-clickhouse): nothing can be asked.')
    return tables.opened.analyst
  }
}

const refused = new Set(['SLUICE_CLICKHOUSE_REFUSED', 'SLUICE_ASK_PARAMETER'])

/** What ClickHouse will not answer is the asker's; what it cannot answer now is ours. */
function refusal(error: unknown): unknown {
  return error instanceof SinkError && refused.has(error.code) ? new QueryError(error.message, { cause: error }) : error
}

function tableOf(rows: readonly object[]): Table {
  return { columns: Object.keys(rows[0] ?? {}), rows: rows as Table['rows'] }
}
