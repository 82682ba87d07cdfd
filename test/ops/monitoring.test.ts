/** Alerts and dashboards speak of metrics that exist, in PromQL that Prometheus reads, and every alert was seen to fire. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { Instruments } from '../../cli/observe/instruments.ts'
import { metricTable } from '../../cli/observe/table.ts'
import { promtool, promtoolMissing } from '../lib/promtool.ts'

const ops = join(import.meta.dirname, '../../ops')
const rulesFile = join(ops, 'prometheus/rules.yml')
const read = (...path: string[]): string => readFileSync(join(ops, ...path), 'utf8')

interface Rule {
  readonly alert?: string
  readonly record?: string
  readonly expr: string
  readonly labels?: { readonly severity: string }
  readonly annotations?: Readonly<Record<string, string>>
}
const { groups } = parse(read('prometheus/rules.yml')) as { groups: { rules: Rule[] }[] }
const rules = groups.flatMap((group) => group.rules)
const alerts = rules.filter(({ alert }) => alert !== undefined)

interface Panel {
  readonly title: string
  readonly datasource: { readonly uid: string }
  readonly gridPos: { x: number; y: number; w: number; h: number }
  readonly targets: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[]
}
interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition: string }[] }
}
const dashboards = readdirSync(join(ops, 'grafana/dashboards')).map(
  (name) => JSON.parse(read('grafana/dashboards', name)) as Dashboard,
)
const expressions = [
  ...rules.map(({ alert, record, expr }) => [alert ?? record ?? '', expr] as const),
  ...dashboards.flatMap(({ title, panels }) =>
    panels.flatMap((panel) => panel.targets.map(({ expr }) => [`${title}: ${panel.title}`, expr] as const)),
  ),
]

/** Variables of Grafana, as Prometheus would see them. */
const resolved = (expr: string): string => expr.replaceAll(/\$\w+/g, '.*')

const recorded = new Set(rules.flatMap(({ record }) => (record === undefined ? [] : [record])))
const known = new Set([
  ...Object.entries(metricTable).flatMap(([name, { kind }]) =>
    kind === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  ),
  ...new Instruments().registry.getMetricsAsArray().map(({ name }) => name),
  ...recorded,
  // Prometheus' own.
  'up',
])

/** Names of metrics in an expression: words before { or [ or that look like ours. */
const metricsOf = (expr: string): string[] =>
  [...expr.replaceAll(/"[^"]*"/g, '""').matchAll(/\b(sluice[a-z0-9_:]*|process_\w+|nodejs_\w+|up)\b/g)].map(
    ([name]) => name,
  )

const directory = mkdtempSync(join(tmpdir(), 'sluice-promtool-'))
afterAll(() => rmSync(directory, { recursive: true }))

describe.skipIf(promtoolMissing !== null)(
  `Prometheus reads${promtoolMissing === null ? '' : ` (${promtoolMissing})`}`,
  () => {
    it('its configuration and the rules', () => {
      for (const args of [
        ['check', 'config', join(ops, 'prometheus/prometheus.yml')],
        ['check', 'rules', rulesFile],
      ]) {
        const { code, said } = promtool(args)
        expect(said).not.toContain('FAILED')
        expect(code).toBe(0)
      }
    })

    it('the rules as they were meant: each alert fires on its case, and a healthy line raises none', () => {
      const { code, said } = promtool(['test', 'rules', join(ops, 'prometheus/rules.test.yml')])
      expect(said).toContain('SUCCESS')
      expect(code).toBe(0)
    })

    it('every expression of every dashboard', () => {
      const file = join(directory, 'expressions.yml')
      const all = expressions.map(([, expr], n) => ({ record: `checked:expression:${n}`, expr: resolved(expr) }))
      // YAML reads JSON.
      writeFileSync(file, JSON.stringify({ groups: [{ name: 'all', rules: all }] }))
      const { code, said } = promtool(['check', 'rules', file])
      expect(said).toContain(`${all.length} rules found`)
      expect(code).toBe(0)
    })
  },
)

describe('alerts and dashboards', () => {
  it.each(expressions)('%s: its metrics exist', (_, expr) => {
    const names = metricsOf(expr)
    expect(names.length).toBeGreaterThan(0)
    for (const name of names) expect(known).toContain(name)
  })

  it('every alert says what it means and what to do, and somebody knows how urgent it is', () => {
    const incomplete = alerts.filter(
      ({ labels, annotations }) =>
        !['page', 'ticket'].includes(labels?.severity ?? '') ||
        ['summary', 'description', 'action'].some((text) => !/\w{3}/.test(annotations?.[text] ?? '')),
    )
    expect(incomplete).toEqual([])
  })

  it('every alert has a case in which it fires and one in which it does not', () => {
    const cases = read('prometheus/rules.test.yml')
    const without = alerts.filter(({ alert }) => cases.split(`alertname="${alert}"`).length - 1 !== 2)
    expect(without).toEqual([])
  })

  it('dashboards are found by the provisioned data source, and no panel lies on another', () => {
    const source = parse(read('grafana/provisioning/datasources/prometheus.yml')) as { datasources: { uid: string }[] }
    const [{ uid }] = source.datasources
    expect(new Set(dashboards.map((dashboard) => dashboard.uid)).size).toBe(dashboards.length)
    for (const { panels, title } of dashboards) {
      const taken: string[] = []
      for (const { datasource, targets, gridPos } of panels) {
        for (const one of [{ datasource }, ...targets]) expect(one.datasource.uid).toBe(uid)
        expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) taken.push(`${title}: ${x},${y}`)
        }
      }
      expect(taken.filter((place, at) => taken.indexOf(place) !== at)).toEqual([])
    }
  })

  it('every metric is on a dashboard or in an alert, or is asked for by hand', () => {
    const used = new Set(expressions.flatMap(([, expr]) => metricsOf(expr)))
    const byHand = ['sluice_task_committed_offset', 'sluice_task_stored_offset', 'sluice_delta_entries_total']
    const others = [
      'sluice_task_overlay_bytes',
      'sluice_build_info',
      'sluice_intake_append_records_total',
      'sluice_intake_append_failures_total',
    ]
    const unused = Object.keys(metricTable).filter(
      (name) => ![name, `${name}_bucket`, `${name}_sum`].some((one) => used.has(one)),
    )
    expect(unused.sort()).toEqual([...byHand, ...others].sort())
  })
})
