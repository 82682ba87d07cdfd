/** The same log, embedded: the input topic is copied into a data directory, batch by batch, and processed there in peace. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { topics } from '../../schemas/topics.ts'
import type { Log } from '../../streams/backend.ts'
import { openEmbedded } from '../../streams/embedded/index.ts'
import { TestDriver } from '../../streams/testing.ts'
import { payments } from '../../topologies/payments.ts'
import { settlement } from '../../topologies/settlement.ts'
import { hashKey, markOf, settings, specs } from './line.ts'

/** What every task has written, as its own metadata says it: numbers and digests by topic. */
export type Digests = ReadonlyMap<string, string>

/** One number for a line: SHA-256 over the metadata of all tasks. */
export function digestOf(digests: Digests): string {
  const hash = createHash('sha256')
  for (const [task, metadata] of [...digests].sort(([a], [b]) => (a < b ? -1 : 1))) hash.update(`${task} ${metadata}\n`)
  return hash.digest('hex').slice(0, 32)
}

/** What the tasks have committed, by the ledger. */
export async function committedDigests(log: Log): Promise<Digests> {
  const digests = new Map<string, string>()
  for (const task of specs().keys()) digests.set(task, (await log.peek(task))?.metadata ?? 'nothing')
  return digests
}

export async function embeddedDigests(log: Log): Promise<Digests> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-chaos-embedded-'))
  const backend = await openEmbedded({
    directory,
    logicVersion: 'chaos',
    ruleVersion: 'chaos',
    settings: {},
    defaults: settings,
  })
  try {
    const driver = new TestDriver({
      topologies: [payments(settings), settlement(settings)],
      topics: Object.values(topics),
      partitions: settings.partitions,
      markOf,
      backend,
      hashKey,
    })
    await driver.create()
    const writer = await backend.log.writer('copy')
    for (let partition = 0; partition < settings.partitions; partition++) {
      const at = { topic: topics.transactions.name, partition }
      const { end } = await log.bounds(at)
      for (let offset = 0; offset < end;) {
        const { bytes, nextOffset } = await log.read(at, offset, 1 << 20, 1_000)
        if (bytes.length > 0) {
          await writer.commit({ appends: [{ ...at, batches: bytes }], position: -1, metadata: '' })
        }
        offset = nextOffset
      }
    }
    await driver.run()
    return committedDigests(backend.log)
  } finally {
    await backend.close()
    rmSync(directory, { recursive: true, force: true })
  }
}
