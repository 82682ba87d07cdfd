/** The fields of a transaction as they come from files: a number (slot) each, and our own column names. */

export const ownColumns = [
  'producer',
  'transactionId',
  'payerAccount',
  'payeeAccount',
  'payerBank',
  'payeeBank',
  'merchant',
  'country',
  'currency',
  'amount',
  'originalTransactionId',
  'kind',
  'occurredAt',
] as const
export type OwnColumn = (typeof ownColumns)[number]

/** Slot of each column. */
export const slot = Object.fromEntries(ownColumns.map((name, index) => [name, index])) as Record<OwnColumn, number>
export const slots = ownColumns.length

/** Columns without which a file in our own names is refused as a whole. */
export const requiredColumns: readonly OwnColumn[] = [
  'transactionId',
  'occurredAt',
  'payerAccount',
  'payeeAccount',
  'payerBank',
  'payeeBank',
  'amount',
  'currency',
]
