/** What is known of an account when it pays: how often, how much, to how many, how unusual, how far away. */

import { amountHistory } from './history.ts'
import { travel } from './travel.ts'

const SECOND = 1000

/** The last minute in panes of a second; hour, day and 7 days in 24 panes each. */
export const velocityWindows = [
  { name: '1m', paneMs: SECOND, panes: 60 },
  { name: '1h', paneMs: 150 * SECOND, panes: 24 },
  { name: '1d', paneMs: 3_600 * SECOND, panes: 24 },
  { name: '7d', paneMs: 25_200 * SECOND, panes: 24 },
] as const

const common = {
  time: 'occurredAt',
  windows: velocityWindows,
  /** MILLISECOND, SECOND, DAY: a window shorter than the precision says nothing. */
  precision: { code: 'timePrecision', ms: [1, SECOND, 86_400 * SECOND] },
  /** Kind 0 is PAYMENT; returns are in no feature. */
  unless: 'kind',
} as const

/** Per payer account. */
export const accountFeatures = {
  ...common,
  key: ['payerAccount'],
  count: 'payments',
  distinct: [
    { name: 'counterparties', of: 'payeeAccount' },
    { name: 'merchants', of: 'merchant' },
  ],
  fold: travel,
} as const

/** Per payer account and currency. */
export const spendFeatures = {
  ...common,
  key: ['payerAccount', 'currency'],
  sum: { name: 'amount', of: 'amountMinor', saturated: 'amountSaturated' },
  fold: amountHistory,
} as const
