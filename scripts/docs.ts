/**
 * Writes the generated parts of README.md and docs/*.md (npm run docs): between two markers stands what the code says.
 * The text around them is written by hand. test/docs compares, so that a page cannot say what the code no longer does.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { parse } from 'yaml'
import { keys } from '../cli/configuration/schema.ts'
import { shown } from '../cli/configuration/show.ts'
import {
  businessMetrics,
  intakeMetrics,
  serviceMetrics,
  sinkMetrics,
  taskMetrics,
  type MetricSpec,
} from '../cli/observe/table.ts'
import { importRefusals } from '../intake/files/refusals.ts'
import { deadLetterReasons, holdReasons } from '../schemas/reasons.ts'
import { defaultSettings } from '../schemas/settings.ts'
import { topics, type Topic } from '../schemas/topics.ts'
import { questions } from '../sink/ask.ts'
import { sinkErrors } from '../sink/errors.ts'
import { faults } from '../streams/errors.ts'
import { payments } from '../topologies/payments.ts'
import { settlement } from '../topologies/settlement.ts'
import { drawing } from './drawing.ts'

const root = new URL('../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')

const isFed = ({ table }: Topic): boolean => table !== null

function flow(): string {
  const tables = new Set(
    Object.values(topics)
      .filter(isFed)
      .map(({ name }) => name),
  )
  return `\`\`\`mermaid\n${drawing([payments(defaultSettings), settlement(defaultSettings)], tables)}\n\`\`\``
}

/** A table as the formatter writes it: columns of one width. Cells are ASCII. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')))
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column].length)))
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell + ' '.repeat(widths[column] - cell.length)).join(' | ')} |`
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`
  return [line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n')
}

const list = (entries: readonly (readonly [code: string, text: string])[]): string =>
  entries.map(([code, text]) => `- \`${code}\`: ${text}`).join('\n')

/** Every setting with its default and the comment that stands above it in schemas/settings.ts. */
function settings(): string {
  const source = read('schemas/settings.ts')
  const rows = Object.entries(defaultSettings).map(([name, value]) => {
    const above = new RegExp(`/\\*\\* ([^*]+) \\*/\\s+${name}:`).exec(source)
    if (above === null) throw new Error(`schemas/settings.ts: say above ${name} what it is`)
    return [`\`${name}\``, typeof value === 'number' ? value.toLocaleString('en-US') : value, above[1]]
  })
  return table(['setting', 'default', 'meaning'], rows)
}

function topicTable(): string {
  const rows = Object.values(topics as Record<string, Topic>).map(({ name, partitions, key, table: fed, records }) => [
    `\`${name}\``,
    partitions === 'one' ? '1' : 'N',
    key ?? '',
    fed === null ? '' : `\`${fed}\``,
    records.map((record) => `\`${record.name}\``).join(' '),
  ])
  return table(['topic', 'partitions', 'key', 'table', 'records'], rows)
}

function questionTable(): string {
  const rows = questions().map(({ name, question, parameters }) => [
    `\`${name}\``,
    question,
    parameters.map((parameter) => `\`${parameter.name}\``).join(' '),
  ])
  return table(['name', 'question', 'parameters'], rows)
}

/** Every key of the configuration, a table per group. */
function configuration(): string {
  const groups = Map.groupBy(keys, ({ path }) => path.slice(0, path.indexOf('.')))
  return [...groups]
    .map(([group, of]) => {
      const rows = of.map((key) => [
        `\`${key.path}\``,
        `\`${key.env}\``,
        key.secret ? 'secret' : shown(key, key.fallback),
        `${key.about} Allowed: ${key.allowed}.`,
      ])
      return `### ${group}\n\n${table(['key', 'environment', 'default', 'meaning'], rows)}`
    })
    .join('\n\n')
}

const metricTableOf = (metrics: Readonly<Record<string, MetricSpec>>): string =>
  table(
    ['metric', 'kind', 'labels', 'meaning', 'Kafka Streams'],
    Object.entries(metrics).map(([name, { kind, labels, help, streams }]) => [
      `\`${name}\``,
      kind,
      labels.map((label) => `\`${label}\``).join(' '),
      help,
      streams ?? '',
    ]),
  )

/** Every alert of the rules that Prometheus is given. */
function alerts(): string {
  const { groups } = parse(read('ops/prometheus/rules.yml')) as {
    groups: {
      rules: {
        alert?: string
        for?: string
        labels?: { severity: string }
        annotations?: { description: string; action: string }
      }[]
    }[]
  }
  return groups
    .flatMap(({ rules }) => rules)
    .filter(({ alert }) => alert !== undefined)
    .map(({ alert, labels, annotations, for: after }) => {
      const when = after === undefined ? '' : `, after ${after}`
      return `- \`${alert}\` (${labels?.severity}${when}): ${annotations?.description} **Do:** ${annotations?.action}`
    })
    .join('\n')
}

/** Generated parts by file and marker. */
export const parts: Readonly<Record<string, Readonly<Record<string, () => string>>>> = {
  'README.md': { flow },
  'docs/architecture.md': { topics: topicTable },
  'docs/configuration.md': { keys: configuration },
  'docs/observability.md': {
    'task-metrics': () => metricTableOf(taskMetrics),
    'sink-metrics': () => metricTableOf(sinkMetrics),
    'intake-metrics': () => metricTableOf(intakeMetrics),
    'business-metrics': () => metricTableOf(businessMetrics),
    'service-metrics': () => metricTableOf(serviceMetrics),
    alerts,
  },
  'docs/operating.md': {
    settings,
    questions: questionTable,
    faults: () => list(Object.entries(faults).map(([code, { cause, action }]) => [code, `${cause} **Do:** ${action}`])),
    sink: () => list(Object.entries(sinkErrors)),
    imports: () => list(Object.entries(importRefusals)),
    'dead-letters': () => list(Object.entries(deadLetterReasons)),
    holds: () => list(Object.entries(holdReasons)),
  },
}

/** The text of a page with its generated parts made anew. Errors: a marker that is missing, doubled or unknown. */
export function render(path: string, text: string): string {
  const known = parts[path] ?? {}
  const begin = (name: string): string => `<!-- generated by npm run docs: ${name} -->`
  const end = (name: string): string => `<!-- end of ${name} -->`
  const found = [...text.matchAll(/<!-- generated by npm run docs: (\S+) -->/g)].map(([, name]) => name)
  for (const name of found) if (!(name in known)) throw new Error(`${path}: nothing makes the part ${name}`)
  let made = text
  for (const [name, make] of Object.entries(known)) {
    const pieces = made.split(begin(name))
    const after = pieces.length === 2 ? pieces[1].split(end(name)) : []
    if (after.length !== 2) throw new Error(`${path}: the markers of the part ${name} must stand there once each`)
    made = `${pieces[0]}${begin(name)}\n\n${make()}\n\n${end(name)}${after[1]}`
  }
  return made
}

if (import.meta.main) {
  for (const path of Object.keys(parts)) {
    const before = read(path)
    const after = render(path, before)
    if (before === after) continue
    if (process.argv.includes('--check')) {
      process.stderr.write(`${path} is not what the code says: run npm run docs and commit it.\n`)
      process.exitCode = 1
    } else {
      writeFileSync(new URL(path, root), after)
      process.stdout.write(`${path} written\n`)
    }
  }
}
