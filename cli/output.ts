/** What commands print: progress lines, the balance sheet, JSON; errors in words, exit codes. */

import { majorText } from '../schemas/money.ts'
import type { Sheet } from './sheet.ts'

/** Exit codes: 0 done, 1 it does not balance or a check failed, 2 used wrongly or refused, 3 a fault of the infrastructure. */
export const exitCodes = { ok: 0, failed: 1, refused: 2, fault: 3 } as const

/** Something the user can put right; printed without a stack. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

const toStandardError = (text: string): void => {
  process.stderr.write(`${text}\n`)
}
let saying = toStandardError
export const say = (text: string): void => saying(text)
/** From now on what is said goes elsewhere: into a log of lines for programs. Null: to standard error again. */
export function sayThrough(how: ((text: string) => void) | null): void {
  saying = how ?? toStandardError
}
export const print = (text: string): void => {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}
export const printJson = (value: unknown): void => print(JSON.stringify(value))

const number = (value: number): string => value.toLocaleString('en-US')

/** The balance sheet as people read it. */
export function sheetText(sheet: Sheet): string {
  const p = sheet.payments
  const rows: [string, number, string][] = [
    ['received', p.received, ''],
    ['  accepted', p.accepted, p.late > 0 ? `${number(p.late)} of them late` : ''],
    ['    settled', p.settled, ''],
    ['    pending', p.pending, p.pending > 0 ? 'in cycles that are still open' : ''],
    ['    held', p.held, heldText(sheet)],
    ['    declined', p.declined, ''],
    ['  duplicate', p.duplicate, ''],
    ['  conflicting', p.conflicting, ''],
    ['  dead letters', p.deadLetters, p.deadLetters > 0 ? 'see: sluice ask dead-letters' : ''],
    ['  skipped', p.skipped, ''],
  ]
  const lines = rows.map(
    ([name, value, note]) => `${name.padEnd(18)}${number(value).padStart(14)}${note === '' ? '' : `   ${note}`}`,
  )
  if (sheet.asOf !== null) lines.unshift(asOfText(sheet.asOf), '')
  lines.push('')
  for (const [currency, { grossMinor, netMinor, instructions }] of Object.entries(sheet.currencies)) {
    const gross = majorText(BigInt(grossMinor), currency)
    const net = majorText(BigInt(netMinor), currency)
    lines.push(
      `${currency}  gross ${gross.padStart(20)}   net ${net.padStart(20)}   ${number(instructions)} instructions`,
    )
  }
  lines.push('')
  lines.push(`received = accepted + duplicate + conflicting + dead letters + skipped: ${yes(sheet, 'received')}`)
  lines.push(`accepted = settled + pending + held + declined, per partition and currency: ${yes(sheet, 'accepted')}`)
  lines.push(`what members pay = what members receive, per currency: ${yes(sheet, 'members')}`)
  lines.push(
    sheet.balanced ? 'It balances.' : `IT DOES NOT BALANCE:\n${sheet.faults.map((fault) => `  - ${fault}`).join('\n')}`,
  )
  lines.push(`digest ${sheet.digest}`)
  lines.push(`${number(sheet.eventsPerSecond)} events/s`)
  return lines.join('\n')
}

function asOfText({ streamTime, positions }: NonNullable<Sheet['asOf']>): string {
  const time = streamTime === null ? 'before the first tick' : `${new Date(streamTime).toISOString()} (stream time)`
  const offsets = Object.entries(positions).map(([task, position]) => `${task} at ${position}`)
  return `As of ${time}, as the workers have stored it: ${offsets.join(', ')}.`
}

const yes = (sheet: Sheet, word: string): string => (sheet.faults.some((fault) => fault.includes(word)) ? 'NO' : 'yes')

function heldText({ heldMinor, oldestHeldAt }: Sheet): string {
  const values = Object.entries(heldMinor).map(
    ([currency, minor]) => `${majorText(BigInt(minor), currency)} ${currency}`,
  )
  if (values.length === 0) return ''
  const oldest = oldestHeldAt === null ? '' : `, the oldest since ${new Date(oldestHeldAt).toISOString()}`
  return `${values.join(', ')}${oldest}`
}

/** One line that is rewritten on a terminal; silent elsewhere. */
export class ProgressLine {
  private readonly on = process.stderr.isTTY === true
  private last = 0

  show(text: string): void {
    const now = performance.now()
    if (!this.on || now - this.last < 100) return
    this.last = now
    process.stderr.write(`\r\x1b[2K${text.slice(0, (process.stderr.columns ?? 100) - 1)}`)
  }

  end(): void {
    if (this.on && this.last > 0) process.stderr.write('\r\x1b[2K')
  }
}
