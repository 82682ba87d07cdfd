/** Account numbers as they are shown where nobody asked for them. */
import { expect, test } from 'vitest'
import { maskAccount, maskAccounts } from '../../schemas/mask.ts'

test.each([
  ['DE89370400440532013000', '••••3000'],
  ['12345678', '••••5678'],
  ['1234', '••••34'],
  ['7', '••••'],
  ['', '••••'],
  ['счёт-🧾🧾', '••••-🧾🧾'],
])('%s is shown as %s', (account, shown) => expect(maskAccount(account)).toBe(shown))

test('every account of a nested value is masked, the rest is left, the value itself too', () => {
  const value = {
    rows: [{ payer_account: 'DE-12345678', payee_account: 'FR-87654321', amount: '1', note: null }],
    instruction: { member: 'bank-a', settlementAccount: 'EU-00001111' },
    own: { member: 'bank-b', settlementAccount: 'bank-b' },
  }
  const copy = structuredClone(value)
  expect(maskAccounts(value)).toEqual({
    rows: [{ payer_account: '••••5678', payee_account: '••••4321', amount: '1', note: null }],
    instruction: { member: 'bank-a', settlementAccount: '••••1111' },
    own: { member: 'bank-b', settlementAccount: 'bank-b' },
  })
  expect(value).toEqual(copy)
})

test('a whole identity gets a handle, made from the account as it is', () => {
  const masked = maskAccounts({ producer: 'p', payerAccount: 'DE-12345678', transactionId: 't' }, (identity) => {
    return `${identity.producer}/${identity.payerAccount}/${identity.transactionId}`
  })
  expect(masked).toEqual({ producer: 'p', payerAccount: '••••5678', transactionId: 't', ref: 'p/DE-12345678/t' })
})
