/** holds: list what is held, release or reject it, with who and why. */

import { randomUUID } from 'node:crypto'
import { records, topics } from '../schemas/topics.ts'
import { objectCodec, wire } from '../streams/avro/object.ts'
import { partitionOf } from '../streams/hash.ts'
import { RecordBatchWriter } from '../streams/records.ts'
import { pinnedIds } from '../streams/schema-ids.ts'
import type { ClickHouse } from '../sink/clickhouse.ts'
import type { Writer } from '../streams/backend.ts'
import { analystOf } from './asked-tables.ts'
import { hereOrThere, type ResolutionResult } from './client.ts'
import type { ConfigurationFlags } from './configuration/flags.ts'
import type { Configuration } from './configuration/schema.ts'
import { Engine, openDirectory } from './engine.ts'
import type { LineView } from './line-view.ts'
import { clusterOf, onCluster } from './lines.ts'
import { LiveHolds } from './live/holds.ts'
import { recordedIn } from './live/live.ts'
import { exitCodes, print, printJson, UsageError } from './output.ts'
import { majorText } from '../schemas/money.ts'
import { maskAccount } from '../schemas/mask.ts'
import type { OpenHolds } from '../intake/http/ports.ts'

/** How long to wait for what the line says to a resolution. */
const OUTCOME_MS = 5_000

export interface HoldOptions extends ConfigurationFlags {
  readonly data: string
  readonly json?: boolean
  readonly limit: number
  readonly showAccounts?: boolean
}

export interface ResolveOptions extends ConfigurationFlags {
  readonly data: string
  readonly json?: boolean
  readonly producer: string
  readonly payerAccount: string
  readonly by: string
  readonly why: string
  readonly notSettledElsewhere?: boolean
  readonly resolutionId?: string
}

/** Opens the line here, lets its tasks catch up, works, and closes it. */
export async function onLine<T>(directory: string, work: (engine: Engine) => Promise<T>): Promise<T> {
  const line = await openDirectory({ directory, create: false })
  try {
    const engine = new Engine(line)
    await engine.start()
    try {
      await engine.caughtUp()
      return await work(engine)
    } finally {
      await engine.stop()
    }
  } finally {
    await line.backend.close()
  }
}

const failed = (error: Error): never => {
  throw error
}

/** Follows the held transactions of a line while `work` runs. `analyst`: who may ask the tables for earlier outcomes. */
async function withHolds<T>(
  engine: LineView,
  analyst: ClickHouse | null,
  work: (holds: LiveHolds) => Promise<T>,
): Promise<T> {
  const holds = new LiveHolds({ engine, failed, recorded: recordedIn(analyst) })
  await holds.start()
  try {
    return await work(holds)
  } finally {
    await holds.close()
  }
}

/** The same over a cluster. */
const onClusterHolds = <T>(
  configuration: Configuration,
  work: (holds: LiveHolds, engine: LineView, writer: () => Promise<Writer>) => Promise<T>,
): Promise<T> =>
  onCluster(configuration, async (mirror, line) => {
    const analyst = configuration.clickhouse.url === '' ? null : analystOf(configuration)
    try {
      return await withHolds(mirror, analyst, (holds) =>
        work(holds, mirror, () => line.backend.log.appender('control')),
      )
    } finally {
      await analyst?.close()
    }
  })

export async function list(options: HoldOptions): Promise<number> {
  const { limit } = options
  const cluster = clusterOf(options)
  const open =
    cluster === null
      ? await hereOrThere<OpenHolds>(
          () => onLine(options.data, (engine) => withHolds(engine, null, (holds) => holds.open(limit))),
          (client) => client.holds(limit),
        )
      : await onClusterHolds(cluster, (holds) => holds.open(limit))
  if (options.json === true) {
    printJson(open)
    return exitCodes.ok
  }
  for (const hold of open.holds) {
    const account = options.showAccounts === true ? hold.payerAccount : maskAccount(hold.payerAccount)
    const amount = `${majorText(BigInt(hold.amountMinor), hold.currency)} ${hold.currency}`
    const since = new Date(hold.heldAt).toISOString()
    print(
      `${since}  ${amount.padStart(16)}  ${hold.producer} ${account} ${hold.transactionId}  ${hold.reasons.join(', ')}`,
    )
  }
  print(`${open.holds.length} of ${open.total} held.`)
  return exitCodes.ok
}

/** Release or reject one: a control record in the payer's partition; repeated with the same id it changes nothing. */
export const resolve =
  (action: 'release' | 'reject') =>
  async (transactionId: string, options: ResolveOptions): Promise<number> => {
    const { producer, payerAccount, by, why, notSettledElsewhere = false } = options
    for (const [name, text] of Object.entries({ by, why, producer, payerAccount, transactionId })) {
      if (text.trim() === '') throw new UsageError(`${name} must not be empty.`)
    }
    const resolutionId = options.resolutionId ?? randomUUID()
    const identity = { producer, payerAccount, transactionId }
    const value = {
      resolutionId,
      action: action === 'release' ? 'RELEASE' : 'REJECT',
      ...identity,
      by,
      why,
      notSettledElsewhere,
    }
    const cluster = clusterOf(options)
    const outcome = async (holds: LiveHolds): Promise<ResolutionResult> => {
      const found = await holds.outcomeOf(resolutionId, identity, OUTCOME_MS)
      if (found === null) return { resolutionId, result: 'queued' }
      const said = found.event.toLowerCase() as ResolutionResult['result']
      return { resolutionId, result: said, cycleStart: found.cycleStart, why: found.why }
    }
    const result =
      cluster === null
        ? await hereOrThere<ResolutionResult>(
            () =>
              onLine(options.data, (engine) =>
                withHolds(engine, null, async (holds) => {
                  await append(engine, payerAccount, value, () => engine.line.backend.log.writer('control'))
                  await engine.caughtUp()
                  return outcome(holds)
                }),
              ),
            (client) => client.resolve({ action, ...identity, by, why, notSettledElsewhere, resolutionId }),
          )
        : await onClusterHolds(cluster, async (holds, engine, writer) => {
            await append(engine, payerAccount, value, writer)
            return outcome(holds)
          })
    if (options.json === true) printJson(result)
    else print(`${transactionId}: ${result.result}${result.result === 'refused' ? `. ${result.why ?? ''}` : ''}`)
    return result.result === 'refused' ? exitCodes.failed : exitCodes.ok
  }

async function append(
  engine: LineView,
  payerAccount: string,
  value: object,
  openWriter: () => Promise<Writer>,
): Promise<void> {
  const { settings, backend, schemas = pinnedIds } = engine.line
  const key = new TextEncoder().encode(payerAccount)
  const now = backend.clock.now()
  const writer = new RecordBatchWriter()
  writer.begin(now)
  const type = records.holdResolution
  writer.append(now, key, 0, key.length, wire(schemas.idOf(type), objectCodec<object>(type.schema).encode(value)))
  const partition = partitionOf(key, 0, key.length, settings.partitions)
  const control = await openWriter()
  const appends = [{ topic: topics.transactions.name, partition, batches: writer.finish() }]
  await control.commit({ appends, position: control.committed?.position ?? 0, metadata: '' })
  await control.close()
}
