/**
 * What a process says while it runs: lines of JSON for programs, text for people, on standard error. Account numbers are
 * masked, whoever put them there.
 */

import pino, { type Logger } from 'pino'
import { maskAccount, maskAccounts } from '../../schemas/mask.ts'
import { noObserver, type TaskObserver, type TaskPhase } from '../../streams/index.ts'
import { codeOf } from './board.ts'

export interface LogOptions {
  readonly format: 'text' | 'json'
  readonly level: 'error' | 'warn' | 'info' | 'debug'
  /** Takes whole lines; standard error when absent. */
  readonly write?: (line: string) => void
}

export type { Logger } from 'pino'

/** IBANs, wherever they stand in a text: a message quotes what a record held. */
const iban = /\b[A-Z]{2}\d{2}[A-Z0-9]{8,30}\b/g
const masked = (text: string): string => text.replace(iban, maskAccount)

const toStandardError = (line: string): void => {
  process.stderr.write(line)
}

export function openLog({ format, level, write = toStandardError }: LogOptions): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => maskedFields(fields),
      },
      hooks: {
        logMethod(args, method) {
          method.apply(this, args.map((arg) => (typeof arg === 'string' ? masked(arg) : arg)) as typeof args)
        },
      },
    },
    { write: format === 'json' ? write : (line: string) => write(`${textOf(line)}\n`) },
  )
}

function maskedFields({ err, ...fields }: Record<string, unknown>): Record<string, unknown> {
  const rest = maskAccounts(fields) as Record<string, unknown>
  for (const [name, value] of Object.entries(rest)) if (typeof value === 'string') rest[name] = masked(value)
  if (!(err instanceof Error)) return rest
  return { ...rest, code: codeOf(err), error: masked(err.message) }
}

/** A line as people read it: time, level unless it is info, task, message, the other fields. */
function textOf(line: string): string {
  const { level, time, msg, task, error, ...fields } = JSON.parse(line) as Record<string, unknown>
  const parts = [
    shown(time).slice(11, 23),
    ...(level === 'info' ? [] : [`${shown(level).toUpperCase()}:`]),
    ...(task === undefined ? [] : [`[${shown(task)}]`]),
    ...(msg === undefined ? [] : [shown(msg)]),
    ...Object.entries(fields).map(([name, value]) => `${name}=${shown(value)}`),
    ...(error === undefined ? [] : [`- ${shown(error)}`]),
  ]
  return parts.join(' ')
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

/** Dead letters are counted, and said together so often: a broken producer must not fill a disk with words about it. */
const DEAD_LETTERS_EVERY_MS = 10_000

const levels: Readonly<Record<TaskPhase, 'debug' | 'info' | 'warn' | 'error'>> = {
  created: 'debug',
  recovering: 'debug',
  running: 'info',
  waiting: 'warn',
  fenced: 'warn',
  halted: 'error',
  stopped: 'info',
}
const words: Readonly<Record<TaskPhase, string>> = {
  created: 'assigned',
  recovering: 'recovers',
  running: 'runs',
  waiting: 'failed, comes back',
  fenced: 'has another owner, stops',
  halted: 'is halted: an operator is needed',
  stopped: 'stopped',
}

/** Says what tasks go through: phases, recoveries, refusals; every batch at level debug. */
export function logObserver(log: Logger): TaskObserver {
  const phases = new Map<string, TaskPhase>()
  const dead = new Map<string, { saidAt: number; reasons: Record<string, number> }>()
  const sayDead = (task: string, letters: ReadonlyMap<string, number>): void => {
    const entry = dead.get(task) ?? { saidAt: Number.NEGATIVE_INFINITY, reasons: {} }
    dead.set(task, entry)
    for (const [reason, count] of letters) entry.reasons[reason] = (entry.reasons[reason] ?? 0) + count
    const now = performance.now()
    if (now - entry.saidAt < DEAD_LETTERS_EVERY_MS) return
    log.warn({ task, reasons: entry.reasons }, 'dead letters; ask dead-letters shows them')
    dead.set(task, { saidAt: now, reasons: {} })
  }
  return {
    ...noObserver,
    phase(task, phase, err) {
      // A task and its worker may both say it; the one with the error counts.
      if (phases.get(task) === phase && err === null) return
      phases.set(task, phase)
      log[levels[phase]](err === null ? { task } : { task, err }, words[phase])
    },
    recovered(task, { committed, stored, logStart, logEnd, reprocessed, ms }) {
      const offsets = { committed, stored, logStart, logEnd }
      log.info({ task, ...offsets, reprocessed, ms: Math.round(ms) }, 'recovered')
    },
    processed(task, { from, to, rows, deadLetters, ms }) {
      if (deadLetters.size > 0) sayDead(task, deadLetters)
      if (log.isLevelEnabled('debug')) log.debug({ task, from, to, rows, ms: Math.round(ms) }, 'batch')
    },
    committed(task, { position, bytes, ms }) {
      if (log.isLevelEnabled('debug')) log.debug({ task, position, bytes, ms: Math.round(ms) }, 'commit')
    },
    applied(task, { from, to, entries, bytes, ms }) {
      if (log.isLevelEnabled('debug')) log.debug({ task, from, to, entries, bytes, ms: Math.round(ms) }, 'delta')
    },
    stalled(task, why) {
      if (why !== null) log.warn({ task, why }, 'stands still, and drops nothing')
      else log.info({ task }, 'goes on')
    },
    refused: (task, what) => log.warn({ task, what }, 'the state refused: it is not where this task left it'),
  }
}
