/** The named questions of queries/*.sql: list them, and ask one with parameters. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ClickHouse } from './clickhouse.ts'
import { SinkError } from './errors.ts'

export interface QuestionParameter {
  readonly name: string
  /** As ClickHouse writes it: String, UInt32, ... */
  readonly type: string
  readonly default: string
  readonly explanation: string
}

export interface Question {
  /** The file's name without .sql. */
  readonly name: string
  /** First line: the question. */
  readonly question: string
  /** What the answer shows. */
  readonly answer: string
  readonly parameters: readonly QuestionParameter[]
  readonly sql: string
}

const here = fileURLToPath(new URL('queries', import.meta.url))

/**
 * Every question, by name. A file begins with comments: the question, what the answer shows, and for each parameter
 * `:name = default | explanation`; in the statement a parameter stands as {name:Type}.
 */
export function questions(directory = here): Question[] {
  return readdirSync(directory)
    .filter((file) => file.endsWith('.sql'))
    .sort()
    .map((file) => parseQuestion(file.slice(0, -4), readFileSync(join(directory, file), 'utf8')))
}

/** Reads one file. Throws an Error naming it when the header does not fit the statement. */
export function parseQuestion(name: string, text: string): Question {
  const lines = text.split('\n')
  const headerEnd = lines.findIndex((line) => !line.startsWith('--'))
  const header = lines.slice(0, headerEnd).map((line) => line.replace(/^--\s?/, ''))
  const sql = lines.slice(headerEnd).join('\n').trim().replace(/;$/, '')
  const types = new Map([...sql.matchAll(/\{(\w+):([^}]+)\}/g)].map(([, parameter, type]) => [parameter, type]))
  const parameters: QuestionParameter[] = []
  const words: string[] = []
  for (const line of header) {
    const match = /^:(\w+) = ?(.*?) ?\| (.+)$/.exec(line)
    if (match === null) {
      words.push(line)
      continue
    }
    const type = types.get(match[1])
    if (type === undefined) throw new Error(`queries/${name}.sql: the parameter ${match[1]} is not used`)
    types.delete(match[1])
    parameters.push({ name: match[1], type, default: match[2], explanation: match[3] })
  }
  if (types.size > 0) throw new Error(`queries/${name}.sql: ${[...types.keys()].join(', ')} is not explained`)
  if (words.length < 2 || sql === '') throw new Error(`queries/${name}.sql: question, answer and statement are needed`)
  const [question, ...answer] = words
  return { name, question, answer: answer.join(' '), parameters, sql }
}

export interface Asked {
  readonly question: Question
  readonly statement: string
  readonly parameters: Readonly<Record<string, string>>
}

/** A question with its parameters filled in. Errors: SLUICE_ASK_UNKNOWN, SLUICE_ASK_PARAMETER. */
export function prepare(name: string, given: Readonly<Record<string, string>>, directory = here): Asked {
  const all = questions(directory)
  const question = all.find((candidate) => candidate.name === name)
  if (question === undefined) {
    throw new SinkError(
      'SLUICE_ASK_UNKNOWN',
      `There is no question ${name}; there are ${all.map((q) => q.name).join(', ')}.`,
    )
  }
  const known = question.parameters.map((parameter) => parameter.name)
  for (const parameter of Object.keys(given)) {
    if (known.includes(parameter)) continue
    const has = known.length === 0 ? 'no parameters' : known.join(', ')
    throw new SinkError('SLUICE_ASK_PARAMETER', `${name} has no parameter ${parameter}; it has ${has}.`)
  }
  const parameters = Object.fromEntries(question.parameters.map((p) => [p.name, given[p.name] ?? p.default]))
  return { question, statement: question.sql, parameters }
}

/** The answer as objects; integers of 64 bits and more as text. `analyst`: connected to the database of the tables. */
export function ask<Row>(
  analyst: ClickHouse,
  name: string,
  given: Readonly<Record<string, string>> = {},
): Promise<Row[]> {
  const { statement, parameters } = prepare(name, given)
  return analyst.rows<Row>(statement, parameters)
}

/** The answer in a format of ClickHouse: PrettyCompactMonoBlock, CSVWithNames, JSONEachRow, ... */
export function askText(
  analyst: ClickHouse,
  name: string,
  given: Readonly<Record<string, string>>,
  format: string,
): Promise<string> {
  const { statement, parameters } = prepare(name, given)
  return analyst.text(statement, format, parameters)
}

/** The instructions of one cycle as CSV with a header line. `cycle`: its start, ISO 8601; empty: the latest settled one. */
export function instructionsCsv(analyst: ClickHouse, cycle = ''): Promise<string> {
  return askText(analyst, 'instructions', { cycle }, 'CSVWithNames')
}
