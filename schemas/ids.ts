/**
 * Ids that are functions of what they name: the same cycle, member and currency have the same instruction id in every
 * run.
 */
import { createHash } from 'node:crypto'

/** Start and length of a cycle as text (an ISO 8601 interval): '2026-01-05T12:00:00.000Z/PT300S'. */
export function cycleId(cycleStart: number, cycleLengthMs: number): string {
  return `${new Date(cycleStart).toISOString()}/PT${cycleLengthMs / 1000}S`
}

/**
 * Id of the instruction of one member in one currency of one cycle: the first 32 hex digits of SHA-256 over
 * `scheme|cycleStart|cycleLengthMs|member|currency` (UTF-8, numbers in decimal). Whoever pays it twice can see that it
 * is one.
 */
export function instructionId(
  scheme: string,
  cycleStart: number,
  cycleLengthMs: number,
  member: string,
  currency: string,
): string {
  const name = `${scheme}|${cycleStart}|${cycleLengthMs}|${member}|${currency}`
  return createHash('sha256').update(name, 'utf8').digest('hex').slice(0, 32)
}
