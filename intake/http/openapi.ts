/** The OpenAPI 3.1 document of this server, as GET /openapi.json serves it. */
import { deadLetterReasons } from '../../schemas/reasons.ts'
import { kinds, timePrecisions } from '../wire.ts'
import { httpReasons } from './transactions.ts'

const text = (description: string, extra: object = {}): object => ({ type: 'string', description, ...extra })
const id = (description: string): object => text(description, { minLength: 1, maxLength: 64 })
const millis = (description: string): object => ({
  type: 'integer',
  description: `${description}, milliseconds since 1970-01-01 UTC`,
})
const minor = (description: string): object => text(`${description}, integer minor units`, { pattern: '^-?\\d+$' })
const ref = (name: string): object => ({ $ref: `#/components/schemas/${name}` })
const list = (items: object): object => ({ type: 'array', items })
const object = (properties: Record<string, object>, required: string[] = Object.keys(properties)): object => ({
  type: 'object',
  properties,
  required,
})
const orNull = (schema: object): object => ({ anyOf: [schema, { type: 'null' }] })
const json = (description: string, schema: object): object => ({
  description,
  content: { 'application/json': { schema } },
})
const error = (description: string): object => json(description, ref('Error'))
const parameter = (name: string, where: 'path' | 'query' | 'header', description: string): object => ({
  name,
  in: where,
  required: where === 'path',
  description,
  schema: { type: 'string' },
})

const identity = {
  producer: id('Who sends: the namespace of transaction ids'),
  payerAccount: id('Account that pays'),
  transactionId: id("The producer's own id"),
}
const money = { amountMinor: minor('Amount'), currency: text('ISO 4217 code', { pattern: '^[A-Z]{3}$' }) }

const schemas = {
  Error: object({ error: text('Code'), message: text('What is wrong and what to do') }),
  Transaction: {
    ...object(
      {
        transactionId: id("The producer's own id, unique per producer and payer account"),
        occurredAt: {
          description: 'Event time: ISO 8601 with a zone, or milliseconds since 1970-01-01 UTC',
          oneOf: [{ type: 'string' }, { type: 'integer' }],
        },
        payerAccount: id('Account that pays; a return names the original payer'),
        payeeAccount: id('Account that is paid'),
        payerBank: id('Bank of the payer account'),
        payeeBank: id('Bank of the payee account'),
        merchant: { ...text('Merchant, when there is one', { maxLength: 64 }), type: ['string', 'null'] },
        amount: {
          description: 'Major units, as a decimal text ("12.30"); a JSON number is read by its text, never as a float',
          oneOf: [{ type: 'string', pattern: '^\\d+(\\.\\d+)?$' }, { type: 'number' }],
        },
        amountMinor: {
          description: 'Instead of amount: integer minor units, 1 to 2^53',
          oneOf: [{ type: 'string', pattern: '^\\d+$' }, { type: 'integer' }],
        },
        currency: text('ISO 4217 code', { pattern: '^[A-Z]{3}$' }),
        country: { type: ['string', 'null'], description: 'ISO 3166-1 alpha-2 code of where it was made' },
        kind: text(`${kinds.join(', ')} in any case; PAYMENT when absent`),
        originalTransactionId: {
          type: ['string', 'null'],
          description: 'Of a return: the id of the payment it returns',
        },
        producer: id('Namespace of the id; the key\'s own, or "http", when absent'),
        timePrecision: text(`${timePrecisions.join(', ')} in any case; MILLISECOND when absent`),
      },
      ['transactionId', 'occurredAt', 'payerAccount', 'payeeAccount', 'payerBank', 'payeeBank', 'currency'],
    ),
    additionalProperties: false,
  },
  Results: object({
    queued: { type: 'integer' },
    refused: { type: 'integer' },
    results: list(
      object(
        {
          index: { type: 'integer', description: 'Place in the request, from 0' },
          transactionId: { type: ['string', 'null'] },
          result: { enum: ['queued', 'refused'] },
          reason: { enum: [...Object.keys(deadLetterReasons), ...Object.keys(httpReasons)] },
          message: text('Why, in plain words, and what to do'),
        },
        ['index', 'transactionId', 'result'],
      ),
    ),
  }),
  TransactionView: object({
    ...identity,
    state: { enum: ['queued', 'pending', 'settled', 'held', 'declined'] },
    kind: { enum: kinds },
    occurredAt: millis('Event time'),
    payerBank: id('Bank'),
    payeeAccount: id('Account'),
    payeeBank: id('Bank'),
    merchant: { type: ['string', 'null'] },
    country: { type: ['string', 'null'] },
    originalTransactionId: { type: ['string', 'null'] },
    ...money,
    duplicates: { type: 'integer', description: 'Copies that came later' },
    conflicts: { type: 'integer', description: 'Records with this identity and other content' },
    receipt: orNull(
      object({
        outcome: { enum: ['APPROVE', 'HOLD', 'DECLINE'] },
        reasons: list(text('Reason')),
        score: { type: 'integer' },
        ruleVersion: text('Rules in force at its event time; empty for returns'),
        contributions: list(object({ rule: text('Rule'), points: { type: 'integer' } })),
        features: { type: ['object', 'null'], description: 'What the rules saw, by name; null = absent' },
      }),
    ),
    cycle: orNull(object({ start: millis('Start'), lengthMs: { type: 'integer' }, late: { type: 'boolean' } })),
    instructions: list(
      object({
        instructionId: text('32 hex digits'),
        member: text('Bank'),
        direction: { enum: ['PAY', 'RECEIVE'] },
        ...money,
        settlementAccount: text('Account'),
      }),
    ),
    holdEvents: list(
      object({
        event: { enum: ['HELD', 'RELEASED', 'REJECTED', 'REFUSED'] },
        resolutionId: text('The resolution that caused it'),
        by: text('Who'),
        why: text('Why'),
        logicalTime: millis('Stream time'),
      }),
    ),
  }),
  Hold: object({
    ...identity,
    kind: { enum: kinds },
    payerBank: id('Bank'),
    payeeBank: id('Bank'),
    ...money,
    reasons: list(text('Reason')),
    occurredAt: millis('Event time'),
    heldAt: millis('Stream time when it was held'),
  }),
  Resolution: {
    ...object(
      {
        ...identity,
        ref: text('Instead of the identity: a handle that this server gave out'),
        by: text('Who decides', { minLength: 1, maxLength: 200 }),
        why: text('Why', { minLength: 1, maxLength: 1000 }),
        notSettledElsewhere: { type: 'boolean', description: 'Required to release what came too late to be checked' },
        resolutionId: id('Chosen by the caller to make repetition harmless; a random one when absent'),
        waitMs: { type: 'integer', minimum: 0, maximum: 30000, description: 'How long to wait for the outcome' },
      },
      ['by', 'why'],
    ),
    additionalProperties: false,
  },
  ResolutionResult: object(
    {
      resolutionId: text('Id of the resolution'),
      result: { enum: ['queued', 'released', 'rejected', 'refused'] },
      cycleStart: { type: ['integer', 'null'], description: 'Released: start of the cycle that it joins' },
      why: text('Refused: why'),
    },
    ['resolutionId', 'result'],
  ),
  Table: object({ columns: list({ type: 'string' }), rows: list({ type: 'object' }) }),
  Question: object({
    name: text('Name'),
    about: text('What it answers'),
    parameters: list(object({ name: text('Name'), about: text('Meaning'), required: { type: 'boolean' } })),
  }),
  Health: object({
    status: { enum: ['ok', 'degraded', 'halted'] },
    version: { type: 'string' },
    backend: { type: 'string' },
    problems: list({ type: 'string' }),
  }),
}

const refused = { 401: error('No key, or an unknown one'), 403: error('Not allowed'), 421: error('Host is not ours') }
const durable = { 429: error('The queue is full; nothing was queued'), 503: error('Not known whether it was queued') }
const body = (schema: object, more: object = {}): object => ({
  required: true,
  content: { 'application/json': { schema }, ...more },
})
const get = (operationId: string, summary: string, schema: object, more: object = {}): object => ({
  get: { operationId, summary, responses: { 200: json(summary, schema), ...refused }, ...more },
})
const stream = (operationId: string, summary: string, parameters: object[]): object => ({
  get: {
    operationId,
    summary,
    parameters,
    responses: {
      200: { description: summary, content: { 'text/event-stream': { schema: { type: 'string' } } } },
      400: error('Not a position of this stream'),
      ...refused,
    },
  },
})
const resolution = (operationId: string, summary: string): object => ({
  post: {
    operationId,
    summary,
    requestBody: body(ref('Resolution')),
    responses: {
      200: json('Carried out', ref('ResolutionResult')),
      202: json('Durable, not decided yet', ref('ResolutionResult')),
      400: error('A field is missing or wrong'),
      409: json('Refused, with why', ref('ResolutionResult')),
      413: error('Body too large'),
      ...refused,
      ...durable,
    },
  },
})

/** The document. */
export const openapi = {
  openapi: '3.1.0',
  info: {
    title: 'Sluice',
    version: '1',
    description: 'Payments in, settlements out. Amounts in answers are texts of integer minor units.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  security: [{}, { bearer: [] }, { apiKey: [] }, { token: [] }],
  paths: {
    '/v1/transactions': {
      post: {
        operationId: 'sendTransactions',
        summary: 'Send one transaction or many; answered when they are durable',
        requestBody: body(
          { oneOf: [ref('Transaction'), list(ref('Transaction')), object({ transactions: list(ref('Transaction')) })] },
          {
            'application/x-ndjson': { schema: { type: 'string', description: 'One Transaction a line' } },
            'application/avro': {
              schema: {
                type: 'string',
                format: 'binary',
                description:
                  'One value in the Confluent wire format (0x00, schema id as int32 BE, Avro), or an Avro object container file (null, deflate, zstandard) of schemas/transaction.v2.avsc or v1',
              },
            },
            'application/vnd.apache.avro': {
              schema: { type: 'string', format: 'binary', description: 'The same as application/avro' },
            },
            'avro/binary': {
              schema: { type: 'string', format: 'binary', description: 'The same as application/avro' },
            },
          },
        ),
        responses: {
          202: json('At least one is durable in the log', ref('Results')),
          400: error('The body cannot be read'),
          413: error('Body too large'),
          422: json('All were refused', ref('Results')),
          ...refused,
          ...durable,
        },
      },
    },
    '/v1/transactions/{producer}/{id}': {
      get: {
        operationId: 'getTransaction',
        summary: 'What is known of a transaction; several when several payers used the id',
        parameters: [
          parameter('producer', 'path', 'Producer'),
          parameter('id', 'path', 'transactionId'),
          parameter('payerAccount', 'query', 'Only this payer'),
          parameter('ref', 'query', 'Only the payer behind this handle'),
        ],
        responses: {
          200: json('What is known', object({ transactions: list(ref('TransactionView')) })),
          404: error('Nothing is known'),
          ...refused,
        },
      },
    },
    '/v1/holds': get(
      'listHolds',
      'What is held, oldest first',
      object({ holds: list(ref('Hold')), total: { type: 'integer' } }),
      {
        parameters: [parameter('limit', 'query', '1 to 10000, 100 when absent')],
      },
    ),
    '/v1/holds/release': resolution('releaseHold', 'Release a held transaction into the oldest open cycle'),
    '/v1/holds/reject': resolution('rejectHold', 'Reject a held transaction'),
    '/v1/alerts': stream('followAlerts', 'Alerts as server-sent events (event "alert", ids to resume by)', [
      parameter('Last-Event-ID', 'header', 'Go on after this one'),
      parameter('after', 'query', 'The same as a parameter; "start" = from the first one kept'),
    ]),
    '/v1/events': stream('followPage', 'Snapshots for the page as server-sent events (event "snapshot")', []),
    '/v1/balance': get('getBalance', 'The balance sheet', { type: 'object' }),
    '/v1/topology': get(
      'getTopology',
      'The topology as it describes itself',
      object({ text: { type: 'string' }, mermaid: { type: 'string' }, graph: { type: 'object' } }),
      { parameters: [parameter('format', 'query', 'json, text or mermaid')] },
    ),
    '/v1/ask': get('listQuestions', 'Named questions', object({ questions: list(ref('Question')) })),
    '/v1/ask/{name}': get('ask', 'Rows of a named question; its parameters as query parameters', ref('Table'), {
      parameters: [parameter('name', 'path', 'Name of the question')],
    }),
    '/v1/sql': {
      post: {
        operationId: 'sql',
        summary: 'Read-only SQL',
        requestBody: body(object({ query: { type: 'string' } })),
        responses: { 200: json('Rows', ref('Table')), 400: error('The query was refused'), ...refused },
      },
    },
    '/health': {
      get: {
        operationId: 'health',
        summary: 'Does it run',
        security: [],
        responses: { 200: json('It runs', ref('Health')), 503: json('A task halted', ref('Health')) },
      },
    },
    '/openapi.json': {
      get: {
        operationId: 'openapi',
        summary: 'This document',
        security: [],
        responses: { 200: json('This document', { type: 'object' }) },
      },
    },
  },
  components: {
    schemas,
    securitySchemes: {
      bearer: { type: 'http', scheme: 'bearer' },
      apiKey: { type: 'apiKey', in: 'header', name: 'X-Api-Key' },
      token: {
        type: 'apiKey',
        in: 'header',
        name: 'X-Sluice-Token',
        description: 'Printed at the start; for browsers',
      },
    },
  },
}
