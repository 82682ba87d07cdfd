/**
 * The line on secured services by configuration alone: TLS, users with the documented rights and no more, client
 * certificates; refusals that name what is wrong; and no password in anything that is said.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { sleep } from '../services/cache.ts'
import { missingOf, running } from '../services/index.ts'
import { post, produce } from './secured-payments.ts'
import { asFile, secrets, securedWorld } from './secured-world.ts'

const directory = mkdtempSync(join(tmpdir(), 'sluice-secured-'))
const found = await securedWorld()
const missing = missingOf(found)

interface SheetJson {
  readonly payments: Readonly<Record<string, number>>
  readonly balanced: boolean
}

describe.skipIf(missing !== null)(`the line on secured services${missing === null ? '' : ` (${missing})`}`, () => {
  afterAll(async () => {
    await running(found).close()
    rmSync(directory, { recursive: true, force: true })
  })

  async function json<T>(args: readonly string[]): Promise<T> {
    const { code, stdout, stderr } = await running(found).run([...args, '--json'])
    if (code !== 0) throw new Error(`sluice ${args.join(' ')} ended with ${code}:\n${stderr}${stdout}`)
    return JSON.parse(stdout) as T
  }

  it('is registered, made, fed in four ways and verified, though Redis is killed on the way', async () => {
    const { run, start, environment, redis, kafka, certificates } = running(found)
    expect(await run(['schemas', 'register'])).toMatchObject({ code: 0 })
    const made = await run(['init', '--partitions', '2', '--cycle', '2', '--grace', '1'])
    expect([made.code, made.stderr]).toEqual([0, expect.not.stringMatching(/could not be checked/)])
    const worker = start(['worker'], asFile(running(found), directory))
    const sink = start(['sink'], { SLUICE_KAFKA_SASL_MECHANISM: 'PLAIN' })
    await worker.until(/The worker runs/)
    await sink.until(/The sink runs/)
    const file = join(directory, 'payments.csv')
    await run(['generate', '--payments', '500', '--seed', '3', '--out', file])
    const first = await json<SheetJson>(['run', file])
    expect(first).toMatchObject({ balanced: true, payments: { pending: 0 } })

    // The door shows a certificate instead of a password.
    const door = start(['serve', '--members', 'any', '--port', '0'], {
      SLUICE_KAFKA_BROKERS: kafka.mutualTls,
      SLUICE_KAFKA_TLS_CERT: certificates.client.cert,
      SLUICE_KAFKA_TLS_KEY: certificates.client.key,
      SLUICE_KAFKA_SASL_MECHANISM: '',
      SLUICE_KAFKA_SASL_USERNAME: '',
      SLUICE_KAFKA_SASL_PASSWORD: '',
    })
    const [, url] = await door.until(/API +(http:\/\/\S+?)\/v1/)
    await post(url, 0, 50)
    await redis.server!.kill()
    await post(url, 50, 100)
    await redis.server!.restart()
    await produce(running(found), 100, 200)
    const received = first.payments.received + 200
    let sheet: SheetJson
    do {
      await sleep(500)
      sheet = (await (await fetch(`${url}/v1/balance`)).json()) as SheetJson
    } while (sheet.payments.received < received || sheet.payments.pending > 0)
    expect(sheet).toMatchObject({ balanced: true, payments: { received, deadLetters: first.payments.deadLetters } })
    expect(await json<SheetJson>(['balance'])).toMatchObject({ balanced: true, payments: sheet.payments })
    expect(await json(['verify'])).toMatchObject({ equal: true })
    const asked = await run(['sql', 'SELECT count() AS n FROM transactions', '--json'])
    expect([asked.code, asked.stdout]).toEqual([0, expect.stringContaining(String(received))])
    const shown = await run(['config'])
    expect(shown.stdout).toMatch(/kafka.sasl.password +\*\*\*/)
    expect(shown.stdout).toContain(environment.SLUICE_KAFKA_TLS_CA)
    expect(await Promise.all([worker, sink, door].map((one) => one.stop()))).toEqual([0, 0, 0])
    expect(worker.said()).toContain('recovered')
  })

  it('leaves out, with a warning, the checks that a user may not make', async () => {
    const { run } = running(found)
    const blind = { SLUICE_KAFKA_SASL_USERNAME: 'blind', SLUICE_KAFKA_SASL_PASSWORD: secrets.kafkaBlind }
    const { code, stderr } = await run(['init'], blind)
    expect([code, stderr]).toEqual([0, expect.stringContaining('may not describe them (DescribeConfigs)')])
    expect(stderr).toContain('this user may not describe the cluster, DescribeConfigs')
  })

  const { stranger = '' } = 'missing' in found ? {} : found.certificates
  const { endpoint = '', mutualTls = '' } = 'missing' in found ? {} : found.kafka
  const noUser = { SLUICE_KAFKA_SASL_MECHANISM: '', SLUICE_KAFKA_SASL_USERNAME: '', SLUICE_KAFKA_SASL_PASSWORD: '' }
  const noTls = { SLUICE_KAFKA_TLS_ENABLED: '', SLUICE_KAFKA_TLS_CA: '' }
  const noRedisTls = { SLUICE_REDIS_TLS_ENABLED: '', SLUICE_REDIS_TLS_CA: '' }
  const plainRedis = 'missing' in found ? '' : found.redis.endpoint.replace('rediss', 'redis')
  const inUrl = 'missing' in found ? '' : found.redis.endpoint.replace('//', `//sluice:${secrets.wrong}@`)
  const inRegistry = 'missing' in found ? '' : found.guard.endpoint.replace('//', `//schemas:${secrets.wrong}@`)
  const noRegistryUser = { SLUICE_REGISTRY_USERNAME: '', SLUICE_REGISTRY_PASSWORD: '' }
  const noRedisUser = { SLUICE_REDIS_USERNAME: '', SLUICE_REDIS_PASSWORD: '' }
  const denied = 'SLUICE_BROKER_DENIED'
  const refusals: [what: string, more: Record<string, string>, code: string, words: RegExp][] = [
    ['a wrong password (SCRAM)', { SLUICE_KAFKA_SASL_PASSWORD: secrets.wrong }, denied, /user or password is wrong/],
    [
      'a wrong password (PLAIN)',
      { SLUICE_KAFKA_SASL_MECHANISM: 'PLAIN', SLUICE_KAFKA_SASL_PASSWORD: secrets.wrong },
      denied,
      /user or password is wrong/,
    ],
    ['a mechanism that is not offered', { SLUICE_KAFKA_SASL_MECHANISM: 'SCRAM-SHA-256' }, denied, /SASL mechanism/],
    ['another authority', { SLUICE_KAFKA_TLS_CA: stranger }, denied, /TLS: unable to verify/],
    ['TLS where the broker has none', { ...noUser, SLUICE_KAFKA_BROKERS: endpoint }, denied, /without TLS/],
    ['no TLS where the broker has it', { ...noUser, ...noTls }, denied, /the broker speaks TLS there/],
    ['a user, but no TLS', noTls, denied, /a listener that wants TLS/],
    ['no user where one is asked for', noUser, denied, /wants a user \(SASL\)/],
    ['a user where none is asked for', { ...noTls, SLUICE_KAFKA_BROKERS: endpoint }, denied, /asks for no user/],
    ['no certificate of ours', { ...noUser, SLUICE_KAFKA_BROKERS: mutualTls }, denied, /TLS: .*certificate/],
    [
      'a user without an ACL',
      { SLUICE_KAFKA_SASL_USERNAME: 'poor', SLUICE_KAFKA_SASL_PASSWORD: secrets.kafkaPoor },
      denied,
      /transactional id sluice\.init.*no ACL for it on the transactional id/,
    ],
    ['a wrong Redis password', { SLUICE_REDIS_PASSWORD: secrets.wrong }, 'SLUICE_STORE_DENIED', /WRONGPASS/],
    ['one in the URL', { ...noRedisUser, SLUICE_REDIS_URL: inUrl }, 'SLUICE_STORE_DENIED', /WRONGPASS/],
    ['no Redis user', noRedisUser, 'SLUICE_STORE_DENIED', /NOAUTH/],
    ["another authority of Redis's", { SLUICE_REDIS_TLS_CA: stranger }, 'SLUICE_STORE_DENIED', /certificate/],
    [
      'no TLS with Redis',
      { ...noRedisTls, SLUICE_REDIS_URL: plainRedis },
      'SLUICE_STORE_UNREACHABLE',
      /does it speak TLS on this port/,
    ],
    [
      'a Redis user who lacks a command',
      { SLUICE_REDIS_USERNAME: 'speechless' },
      'SLUICE_STORE_DENIED',
      /user speechless may not run hincrby\./,
    ],
    [
      'a Redis user who lacks the keys',
      { SLUICE_REDIS_USERNAME: 'stranger' },
      'SLUICE_STORE_DENIED',
      /keys \{sluice\/\* \(user stranger\): NOPERM/,
    ],
    ['a wrong registry password', { SLUICE_REGISTRY_PASSWORD: secrets.wrong }, 'SLUICE_REGISTRY', /401/],
    ['one in its URL', { ...noRegistryUser, SLUICE_REGISTRY_URL: inRegistry }, 'SLUICE_REGISTRY', /401/],
  ]
  for (const [what, more, code, words] of refusals) {
    it(`is refused in words, soon: ${what}`, async () => {
      const began = performance.now()
      const ended = await running(found).run(['init'], more)
      expect([ended.code, ended.stderr]).toEqual([3, expect.stringContaining(`sluice: ${code}`)])
      expect(ended.stderr).toMatch(words)
      // A fault that may pass is waited for, 30 s.
      expect(performance.now() - began).toBeLessThan(25_000)
    })
  }

  it('has a sink that is refused in words, too', async () => {
    const wrong = { SLUICE_CLICKHOUSE_PASSWORD: secrets.wrong }
    const ended = await running(found).run(['sink'], wrong)
    expect([ended.code, ended.stderr]).toEqual([3, expect.stringMatching(/sluice: SLUICE_CLICKHOUSE_REFUSED.*516/)])
    const asker = { SLUICE_CLICKHOUSE_USER: 'analyst', SLUICE_CLICKHOUSE_PASSWORD: secrets.analyst }
    const poor = await running(found).run(['sink'], asker)
    expect([poor.code, poor.stderr]).toEqual([3, expect.stringMatching(/necessary to have the grant CREATE DATABASE/)])
  })

  it('has said no password, wherever it may have said one', async () => {
    const { run, heard } = running(found)
    await run(['config', '--json'])
    // Without a scheme and with one that does not fit: an address that is refused is shown.
    await run(['config'], { SLUICE_REDIS_URL: `sluice:${secrets.wrong}@127.0.0.1:6379` })
    await run(['config'], { SLUICE_REDIS_URL: `redis://sluice:${secrets.wrong}/1@127.0.0.1:6379` })
    await run(['config'], { SLUICE_CLICKHOUSE_URL: `https://sluice:${secrets.clickhouse}@127.0.0.1:8443` })
    const said = heard()
    expect(said.length).toBeGreaterThan(10_000)
    for (const secret of Object.values(secrets)) {
      for (const form of [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64')]) {
        expect(said).not.toContain(form)
      }
    }
  })
})
