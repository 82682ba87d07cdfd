/** Every key of the configuration, with its kind, default and meaning. docs/configuration.md is made from it. */

import { named, oneOf, pemFile, secret, servers, text, url, whole, yesNo, type Key } from './key.ts'

/** Where TLS is asked for in the same words by several services. */
const tls = (service: string) => ({
  enabled: yesNo(`Speak TLS with ${service}.`, false),
  ca: pemFile(`PEM file of the authority that signed ${service}'s certificate; absent: those that Node trusts.`),
  cert: pemFile(`PEM file of our own certificate, when ${service} asks for one.`),
  key: pemFile('PEM file of the key of that certificate; readable by this user only.'),
})

const namePattern = /^[A-Za-z0-9._-]{1,60}$/
const nameWords = 'letters, digits, dots, dashes and underscores, at most 60'

export const schema = {
  kafka: {
    brokers: servers('Some brokers; the others are found through them. With it the line runs on Kafka and Redis.'),
    prefix: named(
      'One per line on a cluster: ledger, manifest, groups, transactional ids and Redis keys begin with it.',
      'sluice',
      namePattern,
      nameWords,
    ),
    topicPrefix: named(
      'In front of the name of every topic; absent: topics are called as in docs/architecture.md.',
      '',
      namePattern,
      nameWords,
    ),
    replicationFactor: whole('Replicas of a topic that `sluice init` makes. 1 is for trying out only.', 3, 1, 32),
    tls: tls('Kafka'),
    sasl: {
      mechanism: oneOf('How this process says who it is.', '', ['', 'PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']),
      username: text('User at Kafka.'),
      password: secret('Its password.'),
    },
    sessionTimeoutMs: whole(
      'A worker that is silent so long is taken for dead, and its tasks move.',
      10_000,
      6_000,
      300_000,
    ),
    transactionTimeoutMs: whole(
      'A transaction that a dead process left open is given up after so long at the latest; until then it holds up readers.',
      15_000,
      5_000,
      900_000,
    ),
  },
  redis: {
    url: url('The Redis server of the state, with its database: redis://host:6379/0.', '', 'redis', 'rediss'),
    username: text('ACL user at Redis.'),
    password: secret('Its password.'),
    tls: tls('Redis'),
  },
  registry: {
    url: url(
      'Base address of a schema registry that speaks the Confluent protocol; absent: the pinned ids.',
      '',
      'http',
      'https',
    ),
    username: text('User at the registry (HTTP basic authentication).'),
    password: secret('Its password.'),
  },
  clickhouse: {
    url: url(
      'HTTP address of ClickHouse; absent: without tables on Kafka, a server of our own on one machine.',
      '',
      'http',
      'https',
    ),
    user: text('User who may write the tables and, at the first start, make them.'),
    password: secret('Its password.'),
    database: named(
      'Database of the tables.',
      'sluice',
      /^[A-Za-z_][A-Za-z0-9_]{0,62}$/,
      'a name of letters, digits and underscores',
    ),
    analyst: {
      user: text('User for questions; absent: the writing user, who is then told with every question to read only.'),
      password: secret('Its password.'),
    },
  },
  http: {
    host: text('Address that `sluice serve` listens on.', '127.0.0.1'),
    port: whole('Its port; 0 takes a free one.', 8080, 0, 65_535),
    apiKeys: secret(
      'Who may send: name:key or name:key:producer, several separated by commas, keys of 16 characters or more.',
    ),
  },
  worker: {
    commitMs: whole(
      'A task that has caught up commits at most so often: what a decision may wait for, and what spares the brokers.',
      25,
      0,
      1_000,
    ),
    flushMs: whole(
      'State goes to Redis after so long at the latest. Longer costs less there and lets a takeover process more again.',
      1_000,
      10,
      60_000,
    ),
    deltaEntries: whole('... and when so many entries have changed.', 20_000, 100, 100_000),
    snapshotDirectory: text(
      'Snapshots of the tasks that run here go there (docs/operating.md), each task its newest three and those of a day; absent: none.',
      '',
    ),
    snapshotEveryMs: whole('How often.', 600_000, 1_000, 86_400_000),
    withSink: yesNo('The worker also carries records into ClickHouse, so that no `sluice sink` is needed.', false),
  },
  observe: {
    port: whole('Port of /metrics, /health and /ready of a worker, a sink or serve; 0: none.', 0, 0, 65_535),
    host: text('Address that it listens on; 0.0.0.0 where Prometheus or a kubelet come from elsewhere.', '127.0.0.1'),
    logFormat: oneOf('How this process logs.', 'text', ['text', 'json']),
    logLevel: oneOf('What it logs.', 'info', ['error', 'warn', 'info', 'debug']),
    otlpUrl: url('Where spans go (OTLP over HTTP); absent: no spans are made.', '', 'http', 'https'),
  },
} as const

type Values<S> = {
  readonly [Name in keyof S]: S[Name] extends Key<infer T> ? T : Values<S[Name]>
}

/** The configuration as the program reads it: every key with its value. */
export type Configuration = Values<typeof schema>

/** A key with its names: path in a file, name in the environment, flag on the command line. */
export interface NamedKey extends Key<unknown> {
  readonly path: string
  readonly env: string
  readonly flag: string
}

/** Names that were there before the table. */
const given: Readonly<Record<string, string>> = { 'http.apiKeys': 'SLUICE_API_KEYS' }

const words = (path: string): string[] =>
  path.split('.').flatMap((part) => part.replace(/[A-Z]/g, (letter) => `.${letter.toLowerCase()}`).split('.'))

function flattened(tree: object, above: string): NamedKey[] {
  return Object.entries(tree).flatMap(([name, entry]: [string, object]) => {
    const path = above === '' ? name : `${above}.${name}`
    if (!('isKey' in entry)) return flattened(entry, path)
    const env = given[path] ?? `SLUICE_${words(path).join('_').toUpperCase()}`
    return [{ ...(entry as Key<unknown>), path, env, flag: `--${words(path).join('-')}` }]
  })
}

/** All keys, in the order of the table. */
export const keys: readonly NamedKey[] = flattened(schema, '')
