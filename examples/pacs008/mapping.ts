/**
 * An interbank file in the manner of ISO 20022, both directions in one: pacs.008 are credit transfers, pacs.004 their
 * returns, which name debtor and creditor of the original.
 */
import { mapping } from '../../intake/mapping.ts'

export default mapping({
  name: 'pacs008',
  format: 'csv',
  timePrecision: 'millisecond',
  map(row, tools) {
    if (row.TxSts === 'RJCT') return tools.skip('rejected by the clearing')
    const isReturn = row.MsgTp === 'pacs.004'
    if (!isReturn && row.MsgTp !== 'pacs.008')
      throw new Error(`message type '${row.MsgTp}' is neither pacs.008 nor pacs.004`)
    return {
      // Who has no reference of his own writes NOTPROVIDED: then the clearing's id is the only one.
      transactionId: row.EndToEndId === 'NOTPROVIDED' ? row.TxId : row.EndToEndId,
      kind: isReturn ? 'refund' : 'payment',
      originalTransactionId: row.OrgnlEndToEndId,
      occurredAt: tools.instant(row.AccptncDtTm),
      payerAccount: row.DbtrIBAN,
      payerBank: row.DbtrAgtBIC,
      payeeAccount: row.CdtrIBAN,
      payeeBank: row.CdtrAgtBIC,
      amount: row.InstdAmt,
      currency: row.Ccy,
    }
  },
})
