/** holds: list what is held, release or reject it, with who and why. */

import { randomUUID } from 'node:crypto'
import { records, topics } from '../schemas/topics.ts'
import { objectCodec, wire } from '../streams/avro/object.ts'
import { partitionOf } from '../streams/hash.ts'
import { RecordBatchWriter } from '../streams/records.ts'
import { pinnedIds } from '../streams/schema-ids.ts'
import { hereOrThere, type ResolutionResult } from './client.ts'
import { Engine, openDirectory } from './engine.ts'
import { LiveHolds } from './live/holds.ts'
import { exitCodes, print, printJson, UsageError } from './output.ts'
import { majorText } from '../schemas/money.ts'
import { maskAccount } from '../schemas/mask.ts'
import type { OpenHolds } from '../intake/http/ports.ts'

export interface HoldOptions {
  readonly data: string
  readonly json?: boolean
  readonly limit: number
  readonly showAccounts?: boolean
}

export interface ResolveOptions {
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
async function onLine<T>(directory: string, work: (engine: Engine) => Promise<T>): Promise<T> {
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

export async function list(options: HoldOptions): Promise<number> {
  const open = await hereOrThere<OpenHolds>(
    () =>
      onLine(options.data, async (engine) => {
        const holds = new LiveHolds({ engine, failed, recorded: () => Promise.resolve(null) })
        await holds.start()
        try {
          return await holds.open(options.limit)
        } finally {
          await holds.close()
        }
      }),
    (client) => client.holds(options.limit),
  )
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
    const result = await hereOrThere<ResolutionResult>(
      () =>
        onLine(options.data, async (engine) => {
          const holds = new LiveHolds({ engine, failed, recorded: () => Promise.resolve(null) })
          await holds.start()
          try {
            const value = {
              resolutionId,
              action: action === 'release' ? 'RELEASE' : 'REJECT',
              ...identity,
              by,
              why,
              notSettledElsewhere,
            }
            await append(engine, payerAccount, value)
            await engine.caughtUp()
            const outcome = await holds.outcomeOf(resolutionId, identity, 5_000)
            return outcome === null
              ? { resolutionId, result: 'queued' as const }
              : {
                  resolutionId,
                  result: outcome.event.toLowerCase() as ResolutionResult['result'],
                  cycleStart: outcome.cycleStart,
                  why: outcome.why,
                }
          } finally {
            await holds.close()
          }
        }),
      (client) => client.resolve({ action, ...identity, by, why, notSettledElsewhere, resolutionId }),
    )
    if (options.json === true) printJson(result)
    else print(`${transactionId}: ${result.result}${result.result === 'refused' ? `. ${result.why ?? ''}` : ''}`)
    return result.result === 'refused' ? exitCodes.failed : exitCodes.ok
  }

async function append(engine: Engine, payerAccount: string, value: object): Promise<void> {
  const { backend, settings, schemas = pinnedIds } = engine.line
  const key = new TextEncoder().encode(payerAccount)
  const now = backend.clock.now()
  const writer = new RecordBatchWriter()
  writer.begin(now)
  const type = records.holdResolution
  writer.append(now, key, 0, key.length, wire(schemas.idOf(type), objectCodec<object>(type.schema).encode(value)))
  const partition = partitionOf(key, 0, key.length, settings.partitions)
  const control = await backend.log.writer('control')
  const appends = [{ topic: topics.transactions.name, partition, batches: writer.finish() }]
  await control.commit({ appends, position: control.committed?.position ?? 0, metadata: '' })
  await control.close()
}
