/** The configuration: which source wins, what is refused and in which words, and that no secret is ever shown. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { ConfigurationError, loadConfiguration, loadWithOrigins } from '../../cli/configuration/load.ts'
import { keys } from '../../cli/configuration/schema.ts'
import { shownKeys } from '../../cli/configuration/show.ts'
import { sluice } from '../lib/sluice.ts'

const directory = mkdtempSync(join(tmpdir(), 'sluice-configuration-'))
afterAll(() => rmSync(directory, { recursive: true }))

let files = 0
function fileOf(text: string, name = `${++files}.yaml`): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

/** Faults of a configuration; empty when it is taken. */
function faultsOf(sources: Parameters<typeof loadConfiguration>[0]): readonly string[] {
  try {
    loadConfiguration(sources)
    return []
  } catch (error) {
    if (error instanceof ConfigurationError) return error.faults
    throw error
  }
}

describe('which source wins', () => {
  const file = fileOf('kafka:\n  prefix: of-file\n  replicationFactor: 2\n')
  const rows: [string, { file?: string; env?: object; flags?: object }, string][] = [
    ['the default, when nothing is given', {}, 'sluice'],
    ['the file before the default', { file }, 'of-file'],
    ['the environment before the file', { file, env: { SLUICE_KAFKA_PREFIX: 'of-env' } }, 'of-env'],
    ['a flag before all', { file, env: { SLUICE_KAFKA_PREFIX: 'e' }, flags: { 'kafka.prefix': 'of-flag' } }, 'of-flag'],
    ['a file that SLUICE_CONFIG names', { env: { SLUICE_CONFIG: file } }, 'of-file'],
    ['an empty name of the environment is not given', { file, env: { SLUICE_KAFKA_PREFIX: '' } }, 'of-file'],
  ]
  it.each(rows)('%s', (_, { env = {}, ...rest }, expected) => {
    const { kafka } = loadConfiguration({ env: env as Record<string, string>, ...rest } as never)
    expect(kafka.prefix).toBe(expected)
  })
})

describe('what is refused, and in which words', () => {
  const rows: [string, Record<string, string>, string][] = [
    [
      'a number',
      { SLUICE_HTTP_PORT: 'tcp://1' },
      "http.port (SLUICE_HTTP_PORT): 'tcp://1' is not a whole number; allowed: a whole number from 0 to 65535",
    ],
    [
      'a range',
      { SLUICE_KAFKA_REPLICATION_FACTOR: '0' },
      "kafka.replicationFactor (SLUICE_KAFKA_REPLICATION_FACTOR): '0' is too small; allowed: a whole number from 1 to 32",
    ],
    [
      'a broker',
      { SLUICE_KAFKA_BROKERS: 'a:9092,b' },
      "kafka.brokers (SLUICE_KAFKA_BROKERS): 'a:9092,b' has 'b', which is not host:port; allowed: host:port, several separated by commas",
    ],
    [
      'a choice',
      { SLUICE_KAFKA_SASL_MECHANISM: 'GSSAPI' },
      "kafka.sasl.mechanism (SLUICE_KAFKA_SASL_MECHANISM): 'GSSAPI' is none of these; allowed: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512",
    ],
    [
      'yes or no',
      { SLUICE_KAFKA_TLS_ENABLED: 'yes' },
      "kafka.tls.enabled (SLUICE_KAFKA_TLS_ENABLED): 'yes' is neither true nor false; allowed: true or false",
    ],
    [
      'a URL',
      { SLUICE_REDIS_URL: 'http://:hunter2@r' },
      "redis.url (SLUICE_REDIS_URL): 'http://:***@r' has the scheme http; allowed: a URL that begins with redis:// or rediss://",
    ],
    [
      'a file that is not there',
      { SLUICE_REDIS_TLS_CA: '/none' },
      "redis.tls.ca (SLUICE_REDIS_TLS_CA): '/none' cannot be read; allowed: the path of a PEM file that this process may read",
    ],
    [
      'a name nearly ours',
      { SLUICE_KAFKA_BROKER: 'a:1' },
      'SLUICE_KAFKA_BROKER (environment): unknown; did you mean SLUICE_KAFKA_BROKERS?',
    ],
    [
      'brokers without Redis',
      { SLUICE_KAFKA_BROKERS: 'a:1' },
      'kafka.brokers is given without redis.url: the log on Kafka keeps its state on Redis',
    ],
    ['half of an identity', { SLUICE_REDIS_USERNAME: 'u' }, 'redis.username is given without redis.password'],
    [
      'a secret from a file that is not there',
      { SLUICE_REDIS_PASSWORD_FILE: '/none' },
      "SLUICE_REDIS_PASSWORD_FILE: ENOENT: no such file or directory, open '/none'",
    ],
    [
      'a secret twice',
      { SLUICE_API_KEYS: 'a', SLUICE_API_KEYS_FILE: fileOf('b', 'keys') },
      'SLUICE_API_KEYS and SLUICE_API_KEYS_FILE are both set: one of them is enough',
    ],
  ]
  it.each(rows)('%s', (_, env, fault) => expect(faultsOf({ env })).toEqual([fault]))

  const inFiles: [string, string, string][] = [
    ['an unknown key', 'kafka: { broker: x }', 'kafka.broker (FILE): unknown; did you mean kafka.brokers?'],
    ['an unknown group', 'ridis: { url: x }', 'ridis (FILE): unknown; did you mean redis?'],
    ['a value where a group is', 'kafka: here', 'kafka (FILE): is not a group of keys'],
    [
      'a number where a text is',
      'kafka: { prefix: 7 }',
      `kafka.prefix (FILE): 7 is not that; allowed: letters, digits, dots, dashes and underscores, at most 60`,
    ],
    [
      'JSON',
      '{"http": {"port": "x"}}',
      "http.port (FILE): 'x' is not a whole number; allowed: a whole number from 0 to 65535",
    ],
  ]
  it.each(inFiles)('in a file: %s', (_, text, fault) => {
    const file = fileOf(text)
    expect(faultsOf({ file, env: {} })).toEqual([fault.replace('FILE', file)])
  })

  it('all at once', () => {
    const file = fileOf('http: { port: 70000 }\nkafka: { brokrs: x }\n')
    expect(faultsOf({ file, env: { SLUICE_OBSERVE_LOG_LEVEL: 'loud', SLUICE_REDIS_URL: 'x' } })).toHaveLength(4)
  })

  it('leaves alone what other programs have in the environment', () => {
    const env = {
      SLUICE_REDIS_PORT: 'tcp://10.0.0.1:6379',
      SLUICE_SOMETHING: '1',
      KAFKA_BROKERS: 'x',
      SLUICE_TRACE: '1',
    }
    expect(faultsOf({ env })).toEqual([])
  })
})

describe('secrets', () => {
  const secrets = keys.filter(({ secret }) => secret)
  const env = {
    ...Object.fromEntries(secrets.map(({ env: name }) => [name, 'hunter2-hunter2-hunter2'])),
    SLUICE_KAFKA_SASL_MECHANISM: 'PLAIN',
    SLUICE_KAFKA_SASL_USERNAME: 'u',
    SLUICE_REGISTRY_USERNAME: 'u',
    SLUICE_CLICKHOUSE_USER: 'u',
    SLUICE_CLICKHOUSE_ANALYST_USER: 'u',
    SLUICE_REDIS_URL: 'redis://u:hunter2@localhost/0',
    SLUICE_API_KEYS: 'name:hunter2-hunter2-hunter2',
  }

  it('are never shown, a password in an address neither', () => {
    const text = JSON.stringify(shownKeys(loadWithOrigins({ env })))
    expect(text).not.toContain('hunter2')
    expect(text).toContain('redis://u:***@localhost/0')
    expect(secrets.length).toBeGreaterThanOrEqual(6)
  })

  it('come from the files that Docker and Kubernetes make, without the line break at their end', () => {
    const path = fileOf('of file\n', 'secret')
    const loaded = loadWithOrigins({ env: { SLUICE_REDIS_PASSWORD_FILE: path } })
    expect(loaded.configuration.redis.password).toBe('of file')
    expect(loaded.origins.get('redis.password')).toBe('SLUICE_REDIS_PASSWORD_FILE')
  })

  it('are masked by the command, which takes every key as a flag', async () => {
    const ran = await sluice(
      ['config', '--json', '--kafka-sasl-username', 'me', '--kafka-prefix', 'mine'],
      undefined,
      env,
    )
    expect(ran.stdout).not.toContain('hunter2')
    const shown = JSON.parse(ran.stdout) as { key: string; value: string; from: string }[]
    expect(shown).toContainEqual({ key: 'kafka.sasl.username', value: 'me', from: '--kafka-sasl-username' })
    expect(shown).toContainEqual({ key: 'kafka.sasl.password', value: '***', from: 'SLUICE_KAFKA_SASL_PASSWORD' })
  })
})

it('names and flags are unique, and every key says what it is for in a sentence', () => {
  for (const of of ['path', 'env', 'flag'] as const) expect(new Set(keys.map((key) => key[of])).size).toBe(keys.length)
  for (const { about } of keys) expect(about).toMatch(/^[A-Z.].*\.$/)
})
