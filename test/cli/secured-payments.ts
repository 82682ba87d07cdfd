/** Payments into a line on secured services: over HTTP, and by a program that is not ours. */
import { SchemaRegistry } from '@kafkajs/confluent-schema-registry'
import { expect } from 'vitest'
import { clientOf } from '../services/kafka-secured.ts'
import { secrets, type SecuredWorld } from './secured-world.ts'

/** Payments with the numbers [from, to), one after the other, each answered with 202. */
export async function post(url: string, from: number, to: number): Promise<void> {
  for (let index = from; index < to; index++) {
    const response = await fetch(`${url}/v1/transactions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        producer: 'shop',
        transactionId: `T${index}`,
        payerAccount: `acc-${index}`,
        payeeAccount: 'payee-1',
        payerBank: 'bank-1',
        payeeBank: 'bank-2',
        amount: '2.50',
        currency: 'EUR',
        occurredAt: new Date(Date.now()).toISOString(),
      }),
    })
    expect([response.status, await response.text()]).toEqual([202, expect.anything()])
  }
}

/** kafkajs over SASL_SSL, with the schemas of the registry behind its password. */
export async function produce({ certificates, guard, kafka }: SecuredWorld, from: number, to: number): Promise<void> {
  const auth = { username: 'schemas', password: secrets.registry }
  const schemas = new SchemaRegistry({ host: guard.endpoint, auth })
  const id = await schemas.getLatestSchemaId('sluice.transactions-value')
  const encoded = Array.from({ length: to - from }, async (_, index) => {
    const payerAccount = `acc-${from + index}`
    const value = await schemas.encode(id, {
      producer: 'foreign',
      transactionId: `T${from + index}`,
      kind: 'PAYMENT',
      payerAccount,
      payeeAccount: 'payee-1',
      payerBank: 'bank-1',
      payeeBank: 'bank-2',
      amountMinor: 250,
      currency: 'EUR',
      merchant: null,
      country: null,
      originalTransactionId: null,
      occurredAt: Date.now(),
      timePrecision: 'MILLISECOND',
    })
    return { key: payerAccount, value }
  })
  const login = { mechanism: 'scram-sha-512', username: 'shop', password: secrets.kafkaForeign } as const
  const producer = clientOf(kafka.saslSsl, certificates, login).producer()
  await producer.connect()
  await producer.send({ topic: 'sluice.transactions', acks: -1, messages: await Promise.all(encoded) })
  await producer.disconnect()
}
