/** Brokers whose sessions end, and users of Redis who lack a right: nothing is leaked, and nothing begins by half. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { metadataV12 } from '@platformatic/kafka'
import { afterAll, describe, expect, it } from 'vitest'
import { fitRedis } from '../../streams/distributed/fitness.ts'
import { redisAt } from '../../streams/distributed/redis.ts'
import { Cluster } from '../../streams/distributed/wire/cluster.ts'
import { redisCommands, redisUser } from '../cli/documented-rights.ts'
import { sleep } from '../services/cache.ts'
import { certificates } from '../services/certificates.ts'
import { missingOf, running } from '../services/index.ts'
import { securedKafka } from '../services/kafka-secured.ts'
import { redis } from '../services/redis.ts'

const SESSION_MS = 3_000
const password = 'Password-3c8d'
const files = await certificates()
const broker =
  'missing' in files
    ? files
    : await securedKafka({
        certificates: files,
        users: { admin: password },
        properties: { 'listener.name.sasl_ssl.plain.connections.max.reauth.ms': String(SESSION_MS) },
      })
const store = await redis({
  settings: ['--user', 'default', 'off', ...redisUser('sluice', password), ...redisUser('mute', password, '+hset')],
})
const because = (found: object): string => (missingOf(found) === null ? '' : ` (${missingOf(found)})`)

afterAll(async () => {
  for (const found of [broker, store]) if (!('missing' in found)) await found.stop()
  if (!('missing' in files)) files.remove()
})

describe.skipIf('missing' in broker)(`a broker whose sessions last ${SESSION_MS} ms${because(broker)}`, () => {
  it('is asked on and on over as many connections as are needed, and cuts none of them', async () => {
    const { saslSsl } = running(broker)
    const [host, port] = saslSsl.split(':')
    const cluster = new Cluster({
      brokers: [saslSsl],
      clientId: 'test',
      tls: { ca: readFileSync(running(files).ca) },
      sasl: { mechanism: 'PLAIN', username: 'admin', password },
    })
    const sockets = (): number => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
    const before = sockets()
    const until = performance.now() + 6 * SESSION_MS
    let most = 0
    const asker = async (): Promise<void> => {
      while (performance.now() < until) {
        await cluster.once({ host, port: Number(port) }, (c) => metadataV12.api.async(c, [], false))
        most = Math.max(most, sockets() - before)
        await sleep(1)
      }
    }
    await Promise.all([asker(), asker()])
    expect(cluster.losses({ host, port: Number(port) })).toBe(0)
    // Two at a time, and for a moment those that they replace.
    expect(most).toBeGreaterThanOrEqual(2)
    expect(most).toBeLessThanOrEqual(4)
    await cluster.close()
  })
})

describe('the commands that a user of Redis needs', () => {
  const scripts = join(import.meta.dirname, '../../streams/distributed/scripts')
  const textOf = (file: string): string => readFileSync(join(scripts, file), 'utf8')
  const named = (text: string, pattern: RegExp): string[] =>
    [...new Set([...text.matchAll(pattern)].map(([, name]) => name.toLowerCase()))].toSorted()

  it('are those of the scripts: each is tried at the start and documented, and no other', () => {
    const others = readdirSync(scripts).filter((file) => file !== 'probe.lua')
    const used = named(others.map(textOf).join('\n'), /(?:redis\.call|each)\('([A-Z]+)'/g)
    expect(used.length).toBeGreaterThan(10)
    expect(named(textOf('probe.lua'), /try\('([A-Z]+)'/g)).toEqual(used)
    expect(redisCommands().toSorted()).toEqual([...used, 'eval', 'evalsha', 'info'].toSorted())
  })
})

describe.skipIf('missing' in store)(`a user of Redis${because(store)}`, () => {
  const connect = async (username: string, path = ''): Promise<string[]> => {
    const { endpoint } = running(store)
    const client = redisAt(`${endpoint}${path}`, { username, password })
    try {
      const warnings = await fitRedis(client, 'sluice')
      // Nothing of the try is left.
      expect(await client.call('EVAL', `return redis.call('EXISTS', KEYS[1])`, 1, '{sluice/}:probe')).toBe(0)
      return warnings
    } finally {
      client.disconnect()
    }
  }

  it('with the documented rights is taken; one without a command is refused, with its name', async () => {
    expect(await connect('sluice')).toEqual([])
    await expect(connect('mute')).rejects.toMatchObject({
      code: 'SLUICE_STORE_DENIED',
      message: expect.stringMatching(/user mute may not run hset\./),
    })
  })

  it('who may not choose another database is refused, and does not write into database 0', async () => {
    await expect(connect('sluice', '/3')).rejects.toMatchObject({
      code: 'SLUICE_STORE_DENIED',
      message: expect.stringContaining("'select' command"),
    })
  })
})
