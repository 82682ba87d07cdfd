/** Logs: lines that programs can read, text that people can, and no account number in either. */
import { describe, expect, it } from 'vitest'
import { logObserver, openLog, type LogOptions } from '../../../cli/observe/log.ts'
import { CodedError } from '../../../streams/errors.ts'

function opened(format: LogOptions['format'], level: LogOptions['level'] = 'info') {
  const lines: string[] = []
  return { log: openLog({ format, level, write: (line) => lines.push(line.trimEnd()) }), lines }
}
const parsed = (lines: readonly string[]): Record<string, unknown>[] =>
  lines.map((line) => JSON.parse(line) as Record<string, unknown>)

const recovery = { committed: 900, stored: 400, logStart: 100, logEnd: 950, reprocessed: 500, ms: 12.4 }

describe('the log of a process', () => {
  it('is one JSON object a line, with task and offsets', () => {
    const { log, lines } = opened('json')
    logObserver(log).recovered('payments-0', recovery)
    const [{ time, ...line }] = parsed(lines)
    expect(line).toEqual({ level: 'info', task: 'payments-0', ...recovery, ms: 12, msg: 'recovered' })
    expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  })

  it('is text for people', () => {
    const { log, lines } = opened('text')
    logObserver(log).recovered('payments-0', recovery)
    log.info('Stopping.')
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} \[payments-0\] recovered committed=900 stored=400 .* ms=12$/)
    expect(lines[1]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} Stopping\.$/)
  })

  it('carries code and cause of what went wrong, as a warning or an error', () => {
    const { log, lines } = opened('json')
    const observer = logObserver(log)
    observer.phase('payments-0', 'waiting', new CodedError('SLUICE_STATE_MOVED', 'payments-0: R = 5'))
    observer.phase('payments-0', 'halted', new CodedError('SLUICE_RETENTION_PASSED', 'payments-0: R = 5'))
    observer.phase('payments-1', 'halted', new TypeError('x is not a function'))
    expect(parsed(lines).map(({ level, task, code }) => [level, task, code])).toEqual([
      ['warn', 'payments-0', 'SLUICE_STATE_MOVED'],
      ['error', 'payments-0', 'SLUICE_RETENTION_PASSED'],
      ['error', 'payments-1', 'BUG'],
    ])
    expect(parsed(lines)[1].error).toContain('What to do: Restore a snapshot or a newer backup')
  })

  it('shows no account number, in whatever part of a line it stands', () => {
    for (const format of ['json', 'text'] as const) {
      const { log, lines } = opened(format, 'debug')
      const account = 'DE89370400440532013000'
      log.info({ payerAccount: 'C0002513', held: [{ payeeAccount: account }], note: `of ${account}` }, `for ${account}`)
      log.error({ err: new Error(`cannot read ${account}`) }, 'failed')
      const said = lines.join('\n')
      expect(said).not.toContain(account)
      expect(said).not.toContain('C0002513')
      expect(said).toContain('••••3000')
    }
  })

  it('says what its level asks for', () => {
    const batch = { ...recovery, from: 0, to: 5, rows: 5, received: 5, late: 0, duplicates: 0, conflicting: 0 }
    const whole = {
      ...batch,
      dropped: 0,
      deadLetters: new Map<string, number>(),
      written: new Map<string, number>(),
      loadMs: 0,
    }
    for (const [level, count] of [
      ['info', 0],
      ['debug', 1],
    ] as const) {
      const { log, lines } = opened('json', level)
      logObserver(log).processed('payments-0', whole)
      expect(lines).toHaveLength(count)
    }
  })

  it('counts dead letters and says them together', () => {
    const { log, lines } = opened('json')
    const observer = logObserver(log)
    const one = {
      from: 0,
      to: 5,
      rows: 5,
      received: 5,
      late: 0,
      duplicates: 0,
      conflicting: 0,
      dropped: 0,
      ms: 1,
      loadMs: 0,
    }
    const batch = { ...one, written: new Map<string, number>(), deadLetters: new Map([['undecodable', 3]]) }
    for (let n = 0; n < 1000; n++) observer.processed('payments-0', batch)
    expect(parsed(lines).map(({ level, reasons }) => [level, reasons])).toEqual([['warn', { undecodable: 3 }]])
  })
})
