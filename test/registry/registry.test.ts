/** Against a real registry that keeps its schemas in a real Kafka: registering, reading what others wrote, its death. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { registeredIds, subjectsOf, transactionSubjects } from '../../cli/subjects.ts'
import { transactionValue } from '../../intake/wire.ts'
import { defaultSettings } from '../../schemas/settings.ts'
import { records, topics } from '../../schemas/topics.ts'
import { Registry, RegistryError } from '../../streams/distributed/registry.ts'
import { writerLookup } from '../../streams/distributed/writer-lookup.ts'
import { openMemory } from '../../streams/memory/index.ts'
import { schemaIds } from '../../streams/schema-ids.ts'
import { Task } from '../../streams/task.ts'
import { payments } from '../../topologies/payments.ts'
import { sluice } from '../lib/sluice.ts'
import { missingOf, running } from '../services/index.ts'
import { kafka } from '../services/kafka.ts'
import { registry as startRegistry } from '../services/registry.ts'
import { append, close, compatible, lineOver, ours, payment, text, writtenBy, type Avsc } from './writers.ts'

const broker = await kafka()
const found = missingOf(broker) === null ? await startRegistry({ kafka: running(broker).endpoint, own: true }) : broker
const missing = missingOf(found)
const directory = mkdtempSync(join(tmpdir(), 'sluice-schemas-'))

afterAll(async () => {
  rmSync(directory, { recursive: true, force: true })
  if (missing === null) await running(found).stop()
  if (missingOf(broker) === null) await running(broker).stop()
})

interface Shown {
  readonly ok: boolean
  readonly schemas: readonly {
    readonly subject: string
    readonly name: string
    readonly state: string
    readonly version: number | null
    readonly conflicts: readonly {
      readonly when: string
      readonly differences: readonly { readonly field: string }[]
    }[]
  }[]
}

const file = (schema: object): string => {
  const path = join(directory, 'producer.avsc')
  writeFileSync(path, text(schema))
  return path
}

describe.skipIf(missing !== null)(`a schema registry${missing === null ? '' : ` (${missing})`}`, () => {
  const url = (): string => running(found).endpoint
  const schemas = (...args: string[]): ReturnType<typeof sluice> =>
    sluice(['schemas', ...args, '--json', '--registry-url', url()])
  const shown = async (...args: string[]): Promise<Shown & { code: number | null }> => {
    const { code, stdout, stderr } = await schemas(...args)
    expect(stderr).toBe('')
    return { ...(JSON.parse(stdout) as Shown), code }
  }
  const subject = transactionSubjects('')[0]
  let intId = 0

  it('has nothing until the command registers it, and then everything, with a rule for every subject', async () => {
    const registry = new Registry({ url: url() })
    // A producer was there before us, with an amount of 32 bits.
    await registry.setCompatibility(subject, 'BACKWARD')
    intId = await registry.register(subject, text(compatible['with an int where we have a long']()), 'BACKWARD')
    expect(await shown('check')).toMatchObject({ ok: true, code: 0 })
    await expect(registeredIds(registry, '')).rejects.toThrow(
      /tick\.v1 under transactions-sluice\.Tick.*schemas register/,
    )
    expect(await registry.versions(subject)).toHaveLength(1)

    const { schemas: done } = await shown('register', '--compatibility', 'BACKWARD')
    expect(done.every(({ state }) => state === 'registered')).toBe(true)
    const ids = await registeredIds(registry, '')
    expect(Object.keys(ids).toSorted()).toEqual(
      Object.values(records)
        .map(({ name }) => name)
        .toSorted(),
    )
    for (const { subject: one } of subjectsOf('')) expect(await registry.compatibility(one)).toBe('BACKWARD')
    const again = await shown('register', '--compatibility', 'BACKWARD')
    expect(again.schemas.map(({ version }) => version)).toEqual(done.map(({ version }) => version))
  })

  it('takes a compatible schema of a producer, and refuses others field by field, before and while registering', async () => {
    const good = file(compatible['with an optional field that we do not know']())
    expect(await shown('check', good)).toMatchObject({ ok: true, schemas: [{ state: 'compatible' }] })
    expect(await shown('register', good, '--compatibility', 'BACKWARD')).toMatchObject({
      schemas: [{ state: 'registered', version: 4 }],
    })
    const schema = ours()
    schema.fields = schema.fields.filter(({ name }) => name !== 'payerBank')
    schema.fields.push({ name: 'mcc', type: 'int' })
    for (const command of ['check', 'register']) {
      const args = command === 'register' ? ['--compatibility', 'BACKWARD'] : []
      const { code, schemas: bad } = await shown(command, file(schema), ...args)
      expect(code).toBe(1)
      const fields = bad[0].conflicts.flatMap(({ differences }) => differences.map(({ field }) => field))
      expect(fields.toSorted()).toEqual(['mcc', 'payerBank'])
    }
    expect(await new Registry({ url: url() }).versions(subject)).toHaveLength(4)
    const { stdout, code } = await sluice(['schemas', 'check', file(schema), '--registry-url', url()])
    expect(code).toBe(1)
    expect(stdout).toContain(
      'mcc, when this schema reads records of version 4: it is written as absent and read as int',
    )
  })

  it('refuses by itself what the command would have refused', async () => {
    const schema = ours()
    schema.fields.find(({ name }) => name === 'amountMinor')!.type = 'string'
    const refused = new Registry({ url: url() }).register(subject, text(schema), 'BACKWARD')
    await expect(refused).rejects.toMatchObject({ code: 'SLUICE_REGISTRY', status: 409 })
  })

  it('lets payments of older and newer producers settle, and makes dead letters of the others, in words', async () => {
    const registry = new Registry({ url: url() })
    const versions: [Avsc, number][] = [[compatible['with an int where we have a long'](), intId]]
    for (const [name, schemaOf] of Object.entries(compatible)) {
      if (name === 'with an int where we have a long') continue
      versions.push([schemaOf(), await registry.register(subject, text(schemaOf()), 'BACKWARD')])
    }
    const elsewhere = ours()
    elsewhere.fields.push({ name: 'x', type: ['null', 'string'], default: null })
    const elsewhereId = await registry.register('elsewhere-value', text(elsewhere), 'BACKWARD')
    // Backward compatible, so the registry takes it; but it lacks what we need.
    const lacking = ours()
    lacking.fields = lacking.fields.filter(({ name }) => name !== 'payerBank')
    const lackingId = await registry.register(transactionSubjects('')[1], text(lacking), 'BACKWARD')

    const ids = schemaIds(await registeredIds(registry, ''))
    const backend = openMemory()
    const lookup = writerLookup({ registry, subjects: transactionSubjects(''), reader: records.transaction.schema })
    const line = lineOver(backend, 2, lookup, { schemas: ids })
    await line.create()
    const sent = versions.flatMap(([schema, id], i) => [
      { transaction: payment(2 * i), value: writtenBy(schema, id, payment(2 * i)) },
      { transaction: payment(2 * i + 1), value: transactionValue(payment(2 * i + 1), ids) },
    ])
    await append(backend, 2, [
      ...sent,
      { transaction: payment(20), value: writtenBy(elsewhere, elsewhereId, payment(20)) },
      { transaction: payment(21), value: writtenBy(lacking, lackingId, payment(21)) },
      { transaction: payment(22), value: writtenBy(ours(), 987_654, payment(22)) },
    ])
    await close(backend, 2, payment(0).occurredAt + 3_600_000, ids)
    await line.run()
    const settled = (await line.read(topics.settlements.name)).filter(({ type }) => type !== records.mark.name)
    expect(settled.reduce((sum, { value }) => sum + (value['count'] as number), 0)).toBe(sent.length)
    const dead = (await line.read(topics.deadLetters.name)).filter(({ type }) => type !== records.mark.name)
    expect(dead.map(({ value }) => String(value['message'])).toSorted()).toEqual([
      `Schema id ${elsewhereId} is registered under elsewhere-value, not under transactions-value or transactions-sluice.Transaction. Register it there.`,
      expect.stringMatching(new RegExp(`^Schema id ${lackingId} cannot be read here: .*payerBank`)),
      'Schema id 987654 is not in the registry. Register the schema first, and write with the id that the registry gives.',
    ])
  })

  it('is killed while payments with a new schema come in: they wait, others go on, and nothing is lost', async () => {
    const { server } = running(found) as { server: { kill(): Promise<void>; restart(): Promise<void> } | null }
    const registry = new Registry({ url: url() })
    const schema = ours()
    schema.fields.push({ name: 'terminal', type: ['null', 'string'], default: null })
    const id = await registry.register(subject, text(schema), 'BACKWARD')
    const ids = schemaIds(await registeredIds(registry, ''))
    const backend = openMemory()
    const partitions = 2
    const worker = new Registry({ url: url(), timeoutMs: 1_000 })
    const lookup = writerLookup({ registry: worker, subjects: [subject], reader: records.transaction.schema })
    const line = lineOver(backend, partitions, lookup, { schemas: ids })
    await line.create()
    const tasks = [0, 1].map(
      (partition) =>
        new Task({
          topology: payments({ ...defaultSettings, partitions }),
          name: `payments-${partition}`,
          at: { topic: topics.transactions.name, partition },
          partitions,
          backend,
          hashKey: new Int32Array([1, 2, 3, 4]),
          markOf: () => records.mark,
          schemas: ids,
          writers: { topic: topics.writerSchemas.name, record: records.writerSchema, lookup },
        }),
    )
    for (const task of tasks) await task.recover()
    const runs = tasks.map((task) => task.run())

    await server!.kill()
    const homes = Array.from({ length: 60 }, (_, n) => payment(n))
    const [foreign, known] = [homes.slice(0, 1), homes.slice(1)]
    await append(
      backend,
      partitions,
      foreign.map((transaction) => ({ transaction, value: writtenBy(schema, id, transaction) })),
    )
    await append(
      backend,
      partitions,
      known.map((transaction) => ({ transaction, value: transactionValue(transaction, ids) })),
    )
    const ends = await Promise.all(
      [0, 1].map((partition) => backend.log.bounds({ topic: topics.transactions.name, partition })),
    )
    const patience = { timeout: 60_000, interval: 100 }
    await expect.poll(() => tasks.filter((task, i) => task.committed === ends[i].end).length, patience).toBe(1)
    await expect
      .poll(() => tasks.map((task) => task.stalled).find((why) => why !== null), patience)
      .toContain(`schema id ${id}`)
    expect(await line.read(topics.deadLetters.name)).toEqual([])

    await server!.restart()
    await expect.poll(() => tasks.every((task, i) => task.committed === ends[i].end), patience).toBe(true)
    for (const task of tasks) task.stop()
    await Promise.all(runs)
    expect(tasks.map((task) => task.stalled)).toEqual([null, null])
    const outcomes = await line.read(topics.transactionOutcomes.name)
    expect(outcomes.filter(({ value }) => value['outcome'] === 'ACCEPTED')).toHaveLength(60)
    expect(await line.read(topics.deadLetters.name)).toEqual([])
  })
})

describe('what is no answer of a registry', () => {
  it('a refused connection, silence, an error and a 404 of something in front of it are told apart from "no such id"', async () => {
    const answers = [
      (send: (status: number, body: string) => void) => send(404, '<html>not found</html>'),
      (send: (status: number, body: string) => void) => send(503, '{"error_code":50003,"message":"starting"}'),
      (send: (status: number, body: string) => void) => send(404, '{"error_code":404,"message":"HTTP 404 Not Found"}'),
      () => undefined,
    ]
    for (const answer of answers) {
      const server = createServer((_, response) => answer((status, body) => response.writeHead(status).end(body)))
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const { port } = server.address() as AddressInfo
      const registry = new Registry({ url: `http://127.0.0.1:${port}`, timeoutMs: 300 })
      await expect(registry.schemaOf(7)).rejects.toBeInstanceOf(RegistryError)
      server.closeAllConnections()
      server.close()
    }
    const nobody = new Registry({ url: 'http://127.0.0.1:9333' })
    await expect(nobody.schemaOf(7)).rejects.toMatchObject({ reason: 'http://127.0.0.1:9333: ECONNREFUSED' })
  })
})
