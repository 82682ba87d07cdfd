/** Prints one payment in the Confluent wire format, for kcat, which has no Avro: SCHEMA_ID TRANSACTION_ID PAYER > value.bin */
import { transactionValue } from '../../../intake/wire.ts'

const [id, transactionId, payerAccount] = process.argv.slice(2)
const value = transactionValue(
  {
    producer: 'kcat-shop',
    transactionId,
    kind: 'PAYMENT',
    occurredAt: Math.round(performance.timeOrigin + performance.now()),
    payerAccount,
    payerBank: 'bank-a',
    payeeAccount: 'PAYEE-1',
    payeeBank: 'bank-b',
    merchant: null,
    amountMinor: 250,
    currency: 'EUR',
    country: null,
    originalTransactionId: null,
    timePrecision: 'MILLISECOND',
  },
  { idOf: () => Number(id) },
)
process.stdout.write(value)
