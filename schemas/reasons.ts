/** Why a record becomes a dead letter, or a transaction is held: two closed lists, in order of precedence, each with what to do. */

/** Dead-letter reasons, in order of precedence: unreadable row or record, invalid field, implausible time, misrouted. */
export const deadLetterReasons = {
  'csv-quote': 'A quoted field is not closed. Close the quote, or double it inside the field, and send the row again.',
  'row-too-long': 'The row is longer than 1 MiB. Check for a missing line end or quote, and send the row again.',
  'row-cut': 'The file ends in the middle of this row. Get the whole file and import the missing rows.',
  'column-count':
    'The row has more or fewer fields than the header. Check delimiter and quotes, and send the row again.',
  'json-syntax': 'The line is not a JSON object. Correct it and send the row again.',
  'text-encoding': 'The row is not valid UTF-8. Convert the file to UTF-8, or declare its encoding in the mapping.',
  'mapping-threw': 'The mapping threw on this row. Correct the mapping or let it return a reason for skipping the row.',
  'mapping-result': 'The mapping returned neither a transaction nor a reason for skipping. Correct the mapping.',
  'unreadable-time':
    'The time cannot be read. Write ISO 8601 with a zone or epoch milliseconds, or read it in a mapping.',
  'unreadable-amount': 'The amount is not a decimal number. Write digits with a dot, no sign, or read it in a mapping.',
  'unreadable-kind': 'The kind is none of payment, refund, reversal, chargeback. Correct it or map it.',
  undecodable: "The value is not a whole record of its schema. Check the producer's serializer and send it again.",
  'unknown-schema':
    'The schema id is not one that this log accepts. Register the schema under the subject of the topic before sending.',
  'record-too-large': 'The value is larger than 64 KiB. A transaction is far smaller: check the producer.',
  'unexpected-record': "The record type does not belong on this topic. Check the producer's configuration.",
  'invalid-control':
    'The control record does not say what it must: rules are JSON of version, thresholds and at most 30 rules.',
  'invalid-producer': 'producer must have 1 to 64 characters.',
  'invalid-transaction-id': 'transactionId must have 1 to 64 characters.',
  'invalid-payer-account': 'payerAccount must have 1 to 64 characters.',
  'invalid-payee-account': 'payeeAccount must have 1 to 64 characters.',
  'invalid-payer-bank': 'payerBank must have 1 to 64 characters.',
  'invalid-payee-bank': 'payeeBank must have 1 to 64 characters.',
  'invalid-merchant': 'merchant, when given, must have at most 64 characters.',
  'invalid-country': 'country, when given, must be two capital letters (ISO 3166-1 alpha-2).',
  'invalid-currency': 'currency must be an ISO 4217 code.',
  'invalid-amount': 'The amount must be from 1 minor unit to 2^53, without a sign.',
  'amount-precision':
    'The amount has more decimals than its currency. Round it at the source; nothing is rounded here.',
  'invalid-original': 'A refund, reversal or chargeback must name originalTransactionId, 1 to 64 characters.',
  'time-too-early':
    'The event time lies before the earliest that is accepted (1990-01-01). Check unit and zone of the clock.',
  'time-too-late': 'The event time lies too far after its acceptance. Check unit and zone of the clock.',
  'misrouted-key': 'The record key is not the payer account. Key every transaction by payerAccount.',
  'misrouted-partition':
    'The key belongs to another partition. Use the murmur2 partitioner (librdkafka: murmur2_random).',
} as const
export type DeadLetterReason = keyof typeof deadLetterReasons

/** Why a transaction is held although no rule asked for it, in order of precedence. */
export const holdReasons = {
  tooLate: 'Older than the dedup horizon: it cannot be checked for copies. Release with --not-settled-elsewhere.',
  unknownParticipant: 'A bank is not on the member list, or not for this currency. Correct the list, or reject.',
  originalHeld: 'The payment that it returns is held; it is released or rejected with it.',
  originalUnknown: 'The payment that it returns was never seen, or is older than the dedup horizon.',
  returnCurrency: 'The payment that it returns is in another currency.',
  overReturn: 'Together with earlier returns it returns more than was paid.',
} as const
export type HoldReason = keyof typeof holdReasons
