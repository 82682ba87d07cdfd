/** A container file of another producer's schema, packed with snappy, as input of the line on Kafka and of the embedded one. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { container } from '../intake/avro-files.ts'
import { sluice } from '../lib/sluice.ts'
import { compatible, incompatible, payment, text } from '../registry/writers.ts'
import { missingOf, running, services } from '../services/index.ts'
import { environmentOf } from './cluster-names.ts'
import { going, type Going } from './cluster-process.ts'

const found = await services('kafka', 'redis')
const missing = missingOf(found)
const directory = mkdtempSync(join(tmpdir(), 'sluice-avro-'))

describe.skipIf(missing !== null)(`container files on Kafka${missing === null ? '' : ` (${missing})`}`, () => {
  const open: Going[] = []
  afterAll(async () => {
    await Promise.all(open.map((one) => one.stop()))
    await running(found).stop()
    rmSync(directory, { recursive: true, force: true })
  })

  it('give the same digest as on the embedded line, and one that cannot be read is refused by name', async () => {
    const env = environmentOf(running(found))
    const schema = compatible['with an optional field that we do not know']()
    const file = join(directory, 'theirs.avro')
    const all = Array.from({ length: 3_000 }, (_, n) => ({ channel: 'web', ...payment(n) }))
    writeFileSync(file, container(text(schema), all, 'snappy'))
    expect(await sluice(['init', '--partitions', '2'], undefined, env)).toMatchObject({ code: 0 })
    open.push(going(['worker'], env))
    const onKafka = await sluice(['run', file, '--json'], undefined, env)
    expect(onKafka).toMatchObject({ code: 0 })
    const embedded = await sluice(['run', file, '--json', '--partitions', '2', '--data', join(directory, 'data')])
    expect(embedded).toMatchObject({ code: 0 })
    const [there, here] = [onKafka, embedded].map(({ stdout }) => JSON.parse(stdout) as Record<string, unknown>)
    expect(there).toMatchObject({ balanced: true, payments: { received: 3_000, accepted: 3_000, pending: 0 } })
    expect(there.digest).toBe(here.digest)

    const text2 = join(directory, 'text.avro')
    writeFileSync(text2, container(text(incompatible[0][2]()), []))
    const refused = await sluice(['run', text2], undefined, env)
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toMatch(/text\.avro.*cannot be read as a transaction: .*amountMinor/)
  })
})
