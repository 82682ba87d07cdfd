/** The metrics of the table as prom-client's objects in one registry, by name. */

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import { metricTable, type MetricName, type MetricSpec } from './table.ts'

type NamesOf<Kind extends MetricSpec['kind']> = {
  [Name in MetricName]: (typeof metricTable)[Name]['kind'] extends Kind ? Name : never
}[MetricName]
export type CounterName = NamesOf<'counter'>
export type GaugeName = NamesOf<'gauge'>
export type HistogramName = NamesOf<'histogram'>

/** Metrics of Node that carry a counter's ending and are none: promtool would complain with reason. */
const misnamed = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

export class Instruments {
  readonly registry = new Registry()
  private readonly made = new Map<string, Counter | Gauge | Histogram>()

  constructor() {
    for (const [name, { kind, help, labels, buckets }] of Object.entries(metricTable) as [string, MetricSpec][]) {
      const config = { name, help, labelNames: [...labels], registers: [this.registry] }
      if (kind === 'counter') this.made.set(name, new Counter(config))
      else if (kind === 'gauge') this.made.set(name, new Gauge(config))
      else this.made.set(name, new Histogram({ ...config, buckets: [...(buckets ?? [])] }))
    }
    for (const name of Object.keys(metricTable) as MetricName[]) this.unset(name)
    collectDefaultMetrics({ register: this.registry })
    for (const name of misnamed) this.registry.removeSingleMetric(name)
  }

  counter(name: CounterName): Counter {
    return this.made.get(name) as Counter
  }

  gauge(name: GaugeName): Gauge {
    return this.made.get(name) as Gauge
  }

  histogram(name: HistogramName): Histogram {
    return this.made.get(name) as Histogram
  }

  /** Forgets every series of a metric: before those that are true now are set. */
  clear(name: GaugeName | CounterName): void {
    this.made.get(name)?.reset()
    this.unset(name)
  }

  /** A gauge without labels begins at 0, which would say something: that nothing balances. What nobody has set is absent. */
  private unset(name: MetricName): void {
    const made = this.made.get(name)
    if (made instanceof Gauge && metricTable[name].labels.length === 0) made.remove()
  }
}
