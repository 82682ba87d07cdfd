/**
 * Reads the tables of docs/worked-examples.md into logs and expectations, so that the model and the engine can be run
 * on the same rows: `for (const example of workedExamples(text)) differences(example, resultOf(example))`.
 */
import { defaultSettings, type Settings } from '../../schemas/settings.ts'
import { partitionOf } from './murmur2.ts'
import type { LogRecord, Rules } from './types.ts'
import { conditionOf, recordOf, timeOf, type Context } from './worked-records.ts'

/** What one row of a table expects. */
export interface ExpectedRow {
  /** Example and row, such as 'F1.3'. */
  readonly name: string
  /** Partition that the record went to; null when it went to several. */
  readonly partition: number | null
  readonly type: LogRecord['type']
  /** The record, as the table says it. */
  readonly record: string
  /** The parts of the last column, between semicolons. */
  readonly expected: readonly string[]
}

export interface ExpectedSettlement {
  readonly cycleStart: number
  readonly currency: string
  /** Cells of the table by column: count, gross, on us, net, bilateral, positions, instructions. */
  readonly cells: Readonly<Record<string, string>>
}

/** One example: a log of its own with what is expected of it. */
export interface WorkedExample {
  readonly code: string
  readonly title: string
  readonly settings: Settings
  /** In force from the start. */
  readonly rules: Rules
  /** Records of each partition, in order. */
  readonly log: readonly (readonly LogRecord[])[]
  readonly rows: readonly ExpectedRow[]
  /** All settlements, in order; null when the example says nothing of them. */
  readonly settlements: readonly ExpectedSettlement[] | null
  /** Fields of the balance. */
  readonly balance: Readonly<Record<string, number>> | null
}

/** All examples of the document, given its text. Throws with the words that cannot be read. */
export function workedExamples(text: string): WorkedExample[] {
  const [preface, ...sections] = text.split(/^### /m)
  const rules = rulesOf(preface)
  return sections.map((section) => exampleOf(section.split(/^## /m)[0], rules))
}

/** The rule sets of the preface: a line "Rules `name` (hold at 60, decline at 100)" and a table. */
function rulesOf(preface: string): Map<string, Rules> {
  const sets = new Map<string, Rules>()
  for (const part of preface.split(/^Rules `/m).slice(1)) {
    const [, version, holdAt, declineAt] = /^(\w+)` \(hold at (\d+), decline at (\d+)\)/.exec(part)!
    const rules = tables(part)[0].rows.map((cells) => ({
      name: cells.rule,
      points: Number(cells.points),
      absent: cells.absent as 'fires' | 'does not fire',
      when: cells.when.split(' and ').map(conditionOf),
    }))
    sets.set(version, { version, holdAt: Number(holdAt), declineAt: Number(declineAt), rules })
  }
  return sets
}

function exampleOf(section: string, ruleSets: Map<string, Rules>): WorkedExample {
  const [, code, title] = /^(\w+) (.*)/.exec(section)!
  const partitions = Number(/^Partitions: (\d+)$/m.exec(section)?.[1] ?? 1)
  const rules = ruleSets.get(/^Rules: (\w+)$/m.exec(section)?.[1] ?? 'plain')!
  const settings = { ...defaultSettings, partitions }
  const log: LogRecord[][] = Array.from({ length: partitions }, () => [])
  const [rowTable, ...others] = tables(section)
  const settled = others.find((table) => table.header.includes('bilateral'))
  const context: Context = { settings, ruleSets }

  const rows = rowTable.rows.map((cells): ExpectedRow => {
    const name = `${code}.${cells.row}`
    const { record, to } = recordOf(name, cells.at, cells.record, context)
    let partition: number | null = to
    if (record.type === 'transaction') partition ??= partitionOf(record.transaction.payerAccount, partitions)
    if (record.type === 'holdResolution') partition = partitionOf(record.payerAccount, partitions)
    if (record.type === 'unreadable') partition = 0
    for (const [p, records] of log.entries()) if (partition === null || partition === p) records.push(record)
    return { name, partition, type: record.type, record: cells.record, expected: cells.expected.split('; ') }
  })

  const balance = /^Balance: (.*)$/m.exec(section)?.[1]
  return {
    code,
    title,
    settings,
    rules,
    log,
    rows,
    settlements:
      settled?.rows.map((cells) => ({ cycleStart: timeOf(cells.cycle), currency: cells.currency, cells })) ?? null,
    balance:
      balance === undefined
        ? null
        : Object.fromEntries(
            balance
              .split(', ')
              .map((part) => part.split(' '))
              .map(([k, v]) => [k, Number(v)]),
          ),
  }
}

/** Every Markdown table of a text, each row as cells by column. */
function tables(text: string): { header: string[]; rows: Record<string, string>[] }[] {
  return text
    .split(/\n(?!\|)/)
    .map((block) => block.split('\n').filter((line) => line.startsWith('|')))
    .filter((lines) => lines.length > 2)
    .map((lines) => {
      const [header, , ...rows] = lines.map((line) =>
        line
          .slice(1, -1)
          .split('|')
          .map((cell) => cell.trim()),
      )
      return { header, rows: rows.map((cells) => Object.fromEntries(header.map((name, i) => [name, cells[i]]))) }
    })
}
