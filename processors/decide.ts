/** The decision on an accepted transaction: what cannot be checked waits, then the rules speak, returns come after. */

import { approve, decline, hold, returned } from './verdict.ts'

/** Kind 0 is PAYMENT. */
const PAYMENT = 0

/**
 * Verdict on one transaction. tooLate: older than the dedup horizon (0, 1); admitted: both banks may settle the currency
 * (0, 1); kind: code of Kind; score and thresholds in points.
 */
export const decide = {
  needs: ['tooLate', 'admitted', 'kind', 'score', 'holdAt', 'declineAt'],
  verdict(tooLate: number, admitted: number, kind: number, score: number, holdAt: number, declineAt: number): number {
    if (tooLate === 1) return hold.tooLate
    if (admitted === 0) return hold.unknownParticipant
    if (kind !== PAYMENT) return returned
    if (score >= declineAt) return decline.byRules
    if (score >= holdAt) return hold.byRules
    return approve
  },
} as const

/** What is remembered of an original: its kind, currency, amount, what was returned so far, and its outcome. */
export interface Original {
  readonly kind: number
  readonly currencyCode: number
  readonly amountMinor: number
  readonly returned: number
  readonly outcome: number
}

/** Verdict on a return against its original (null: not known within the horizon). */
export function decideReturn(amountMinor: number, currencyCode: number, original: Original | null): number {
  if (original === null || original.kind !== PAYMENT) return hold.originalUnknown
  if (original.outcome === 2) return decline.originalDeclined
  if (original.outcome === 1) return hold.originalHeld
  if (original.currencyCode !== currencyCode) return hold.returnCurrency
  // A difference of integers up to 2^53 is exact; the sum of two of them may round down to what was paid.
  if (amountMinor > original.amountMinor - original.returned) return hold.overReturn
  return approve
}
