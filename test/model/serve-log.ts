/**
 * The log that `serve` or `demo` makes of arriving transactions, for the model: ticks by the clock, and control
 * records among them.
 */
import type { Settings } from '../../schemas/settings.ts'
import { murmur2, partitionOf } from './murmur2.ts'
import type { HoldEvent, LogRecord, Resolution, Transaction } from './types.ts'

/** A transaction with the time at which it reached us. */
export interface Arrival {
  readonly arrivedAt: number
  readonly transaction: Transaction
}

/** A control record with the time at which it is written. */
export interface Control {
  readonly at: number
  readonly record: Extract<LogRecord, { type: 'memberList' | 'holdResolution' | 'ruleSet' }>
}

export interface ServeOptions {
  readonly clock: 'WALL' | 'SIMULATED'
  /** A tick into every partition this often, from the first arrival on. */
  readonly tickMs: number
  readonly controls?: readonly Control[]
  /** Ticks go on this long after the last arrival, so that the last cycles close. */
  readonly ticksAfterMs: number
}

/** One log per partition. `arrivals` are in order of arrival, which is also the time of acceptance. */
export function serveLog(arrivals: readonly Arrival[], settings: Settings, options: ServeOptions): LogRecord[][] {
  const logs: LogRecord[][] = Array.from({ length: settings.partitions }, () => [])
  const controls = [...(options.controls ?? [])].sort((a, b) => a.at - b.at)
  const everywhere = (record: LogRecord): void => logs.forEach((log) => void log.push(record))
  let nextTick = Math.ceil((arrivals[0]?.arrivedAt ?? 0) / options.tickMs) * options.tickMs
  const upTo = (now: number): void => {
    while (nextTick <= now || (controls.length > 0 && controls[0].at <= now)) {
      if (controls.length > 0 && controls[0].at < nextTick) {
        const { record } = controls.shift()!
        if (record.type !== 'holdResolution') everywhere(record)
        else logs[partitionOf(record.payerAccount, settings.partitions)].push(record)
      } else {
        everywhere({ type: 'tick', at: nextTick, clock: options.clock, closeThrough: null })
        nextTick += options.tickMs
      }
    }
  }
  for (const { arrivedAt, transaction } of arrivals) {
    upTo(arrivedAt)
    const key = transaction.payerAccount
    const record: LogRecord = { type: 'transaction', key, acceptedAt: arrivedAt, transaction }
    logs[partitionOf(key, settings.partitions)].push(record)
  }
  upTo((arrivals.at(-1)?.arrivedAt ?? 0) + options.ticksAfterMs)
  return logs
}

/**
 * Resolutions for what was held in a first run over the same arrivals: some released, some rejected, some wrongly,
 * twice or of nothing; the rest stays held. Which, is drawn from the identity, so it is the same every time.
 */
export function resolutionsOf(holdEvents: readonly HoldEvent[], afterMs: number): Control[] {
  const controls: Control[] = []
  for (const { event, producer, payerAccount, transactionId, reasons, logicalTime } of holdEvents) {
    if (event !== 'HELD') continue
    const drawn = (murmur2(`${producer}|${payerAccount}|${transactionId}`) & 0x7fffffff) % 100
    const at = logicalTime + Math.floor((afterMs * (drawn + 1)) / 100)
    const resolution: Resolution = {
      resolutionId: `${producer}|${payerAccount}|${transactionId}`,
      action: drawn % 3 === 2 ? 'REJECT' : 'RELEASE',
      producer,
      payerAccount,
      transactionId,
      by: 'operator',
      why: 'drawn',
      notSettledElsewhere: drawn % 2 === 0,
    }
    const write = (change: Partial<Resolution>, later: number): void => {
      controls.push({ at: at + later, record: { type: 'holdResolution', ...resolution, ...change } })
    }
    if (drawn < 60) write({}, 0)
    if (drawn < 10) write({}, 1000)
    if (drawn >= 10 && drawn < 20) write({ resolutionId: `${resolution.resolutionId}|again` }, 1000)
    if (drawn >= 60 && drawn < 65) write({ transactionId: `${transactionId}-unknown` }, 0)
    if (reasons[0] === 'tooLate' && drawn < 60) {
      write({ resolutionId: `${resolution.resolutionId}|checked`, notSettledElsewhere: true }, 2000)
    }
  }
  return controls
}
