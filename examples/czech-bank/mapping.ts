/**
 * The statement export of a Czech bank, one row per booking on one of its accounts: semicolons, quoted texts, dates as
 * YYMMDD, days only. PRIJEM is money in, VYDAJ money out; a row with a partner bank is an interbank payment in CZK.
 */
import { mapping } from '../../intake/mapping.ts'

/** The bank whose export this is. */
const ownBank = 'HOME'

export default mapping({
  name: 'czech-bank',
  format: 'csv',
  delimiter: ';',
  zone: 'Europe/Prague',
  timePrecision: 'day',
  twoDigitYearPivot: 70,
  map(row, tools) {
    if (row.bank.trim() === '') return tools.skip('no partner bank: cash, card, interest or fee')
    const own = { account: `${ownBank}-${row.account_id}`, bank: ownBank }
    // Partner accounts of different banks may have the same number. Without a number there is no account to name.
    const partner = { account: row.account === '' ? '' : `${row.bank}-${row.account}`, bank: row.bank }
    if (row.type !== 'PRIJEM' && row.type !== 'VYDAJ') throw new Error(`type '${row.type}' is neither PRIJEM nor VYDAJ`)
    const [payer, payee] = row.type === 'PRIJEM' ? [partner, own] : [own, partner]
    return {
      transactionId: row.trans_id,
      occurredAt: tools.date(row.date, 'YYMMDD'),
      payerAccount: payer.account,
      payerBank: payer.bank,
      payeeAccount: payee.account,
      payeeBank: payee.bank,
      amount: tools.amount(row.amount),
      currency: 'CZK',
    }
  },
})
