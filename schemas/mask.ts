/** How account numbers are shown where they were not asked for: one rule for pages, logs and tables. */

/** Fields that hold an account number, as our records, views and tables name them. */
const accountFields = new Set([
  'payerAccount',
  'payeeAccount',
  'settlementAccount',
  'payer_account',
  'payee_account',
  'settlement_account',
])

/**
 * An account number as it is shown: the last four characters, and as many as half of a short one. Nothing of it can be
 * put together again from several masked texts, because they all show the same part.
 */
export function maskAccount(account: string): string {
  const characters = Array.from(account)
  const shown = Math.min(4, Math.floor(characters.length / 2))
  return '••••' + characters.slice(characters.length - shown).join('')
}

/** Called for every object that carries a whole identity; the text it returns is added to the masked object as `ref`. */
export type Referrer = (identity: { producer: string; payerAccount: string; transactionId: string }) => string

/**
 * A copy of a JSON value with every account number in it masked (left as it is when `show`). `refer` keeps masked
 * transactions addressable.
 */
export function maskAccounts(value: unknown, refer?: Referrer, show = false): unknown {
  if (Array.isArray(value)) return value.map((item) => maskAccounts(item, refer, show))
  if (typeof value !== 'object' || value === null) return value
  const from = value as Record<string, unknown>
  const to: Record<string, unknown> = {}
  for (const name of Object.keys(from)) {
    const field = from[name]
    // A member that settles under its own bank code has no account number to hide.
    const hide = !show && accountFields.has(name) && typeof field === 'string' && field !== from.member
    to[name] = hide ? maskAccount(field) : maskAccounts(field, refer, show)
  }
  if (refer !== undefined) {
    const { producer, payerAccount, transactionId } = from
    if (typeof producer === 'string' && typeof payerAccount === 'string' && typeof transactionId === 'string')
      to.ref = refer({ producer, payerAccount, transactionId })
  }
  return to
}
