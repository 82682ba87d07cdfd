/**
 * `sluice bench kernel`: how many payments a second one core takes through the shipped line, without I/O, beside the
 * yardstick of bench/lab in the same minute, and checked against the oracle in the same run.
 */

import { pathToFileURL } from 'node:url'
import { accountFeatures, spendFeatures } from '../processors/account-features.ts'
import { labBatches } from './lab/events.ts'
import { LabKernel } from './lab/kernel.ts'
import { runLine } from './line.ts'
import { machine, round, rounds, spread, type Spread } from './measure.ts'
import { judgeTraffic } from './oracle.ts'
import { stagesOf, type Stage } from './stages.ts'
import { defaultTraffic, prepareTraffic } from './traffic.ts'
import { differences, WrittenReader } from './written.ts'

export interface KernelOptions {
  readonly events?: number
  /** Rounds that count. */
  readonly rounds?: number
  /** Events per second of event time. */
  readonly pace?: number
  /** Also say where the CPU goes. */
  readonly stages?: boolean
  /** Called with a line of progress. */
  readonly say?: (text: string) => void
}

export interface KernelResult {
  readonly name: 'kernel'
  readonly machine: string
  readonly events: number
  readonly bytesPerEvent: number
  readonly pace: number
  readonly heldShare: number
  readonly features: number
  /** Per CPU-second, median of the rounds: a core that does nothing else. */
  readonly eventsPerSecond: number
  readonly cpuMicrosPerEvent: number
  readonly labEventsPerSecond: number
  /** Rate of the line over that of the yardstick: median of the rounds' ratios. */
  readonly labShare: number
  /** The noise floor: the same thing several times. */
  readonly rounds: { readonly count: number; readonly cpuMicrosPerEvent: Spread; readonly labShare: Spread }
  /** Resident memory at the end, traffic of both included. */
  readonly rssBytes: number
  readonly oracle: 'equal' | 'different'
  readonly differences: readonly string[]
  readonly stages: readonly Stage[]
}

const featureCount = (): number => {
  const windows = accountFeatures.windows.length
  // Counts, distinct values and sums per window; saturation; and the two folds.
  return windows * (1 + accountFeatures.distinct.length + 1) + 1 + [accountFeatures.fold, spendFeatures.fold].length
}

export async function benchKernel(options: KernelOptions = {}): Promise<KernelResult> {
  const say = options.say ?? (() => {})
  const events = options.events ?? defaultTraffic.events
  const pace = options.pace ?? defaultTraffic.pace
  const count = options.rounds ?? 5
  say(`preparing ${events} events for the line and for the yardstick`)
  const traffic = prepareTraffic({ ...defaultTraffic, events, pace })
  const batches = labBatches(events)
  say(`${count} rounds in turn, after one to warm up`)
  const took = await rounds(count, {
    lab() {
      const kernel = new LabKernel()
      for (const batch of batches) kernel.process(batch)
    },
    line: () => runLine(traffic.fetches),
  })
  const rssBytes = process.memoryUsage.rss()
  say('comparing every decision with the oracle')
  const written = new WrittenReader()
  await runLine(traffic.fetches, { appended: (appends) => written.read(appends) })
  const found = written.findings()
  const different = differences(found, judgeTraffic(traffic.fetches))
  if (found.received !== events) different.push(`received: ${found.received} of ${events} events`)
  const perEvent = took.line.map((micros) => micros / events)
  const shares = took.line.map((micros, i) => took.lab[i] / micros)
  const cpu = spread(perEvent)
  return {
    name: 'kernel',
    machine: machine(),
    events,
    bytesPerEvent: round(traffic.bytesPerEvent, 1),
    pace,
    heldShare: round(found.held / found.decisions, 4),
    features: featureCount(),
    eventsPerSecond: Math.round(1e6 / cpu.median),
    cpuMicrosPerEvent: round(cpu.median),
    labEventsPerSecond: Math.round((1e6 * events) / spread(took.lab).median),
    labShare: round(spread(shares).median, 3),
    rounds: { count, cpuMicrosPerEvent: rounded(cpu, 2), labShare: rounded(spread(shares), 3) },
    rssBytes,
    oracle: different.length === 0 ? 'equal' : 'different',
    differences: different,
    stages: options.stages === true ? await stagesOf(() => runLine(traffic.fetches)) : [],
  }
}

const rounded = ({ min, median, max }: Spread, digits: number): Spread => ({
  min: round(min, digits),
  median: round(median, digits),
  max: round(max, digits),
})

/** The result as text for a terminal. */
export function kernelText(result: KernelResult): string {
  const { rounds: noise } = result
  const range = ({ min, median, max }: Spread): string => `${min} / ${median} / ${max}`
  const lines = [
    `payments line, no I/O: ${result.events} events of ${result.bytesPerEvent} bytes, ${result.features} features, ${(result.heldShare * 100).toFixed(2)} % held`,
    `  ${result.eventsPerSecond} events per CPU-second, ${result.cpuMicrosPerEvent} us CPU per event`,
    `  noise floor, ${noise.count} rounds (min / median / max): ${range(noise.cpuMicrosPerEvent)} us per event`,
    `  yardstick (smaller work): ${result.labEventsPerSecond} events per CPU-second; share ${range(noise.labShare)}`,
    `  memory ${Math.round(result.rssBytes / 1e6)} MB, with the traffic of both`,
    `  oracle: ${result.oracle}${result.differences.map((line) => `\n    ${line}`).join('')}`,
    `  ${result.machine}`,
    ...result.stages.map(({ stage, share }) => `  ${(share * 100).toFixed(1).padStart(5)} %  ${stage}`),
  ]
  return lines.join('\n')
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const valueOf = (name: string): number | undefined => {
    const at = process.argv.indexOf(`--${name}`)
    return at < 0 ? undefined : Number(process.argv[at + 1])
  }
  const result = await benchKernel({
    events: valueOf('events'),
    rounds: valueOf('rounds'),
    pace: valueOf('pace'),
    stages: process.argv.includes('--stages'),
    say: (text) => console.error(text),
  })
  console.log(process.argv.includes('--json') ? JSON.stringify(result) : kernelText(result))
  if (result.oracle !== 'equal') process.exitCode = 1
}
