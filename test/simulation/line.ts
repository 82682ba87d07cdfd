/**
 * The payments line over the in-memory backend, in the terms of the model: plain log records in, what became of them
 * out. Nothing here knows what is right; tests compare.
 */
import { Arena } from '../../streams/arena.ts'
import { objectCodec, wire } from '../../streams/avro/object.ts'
import { openMemory, type MemoryBackend, type MemoryOptions } from '../../streams/memory/index.ts'
import type { Task, TaskOptions } from '../../streams/task.ts'
import { TestDriver, type Written } from '../../streams/testing.ts'
import type { Topology } from '../../streams/topology.ts'
import type { Settings } from '../../schemas/settings.ts'
import { records, topics } from '../../schemas/topics.ts'
import { payments } from '../../topologies/payments.ts'
import { settlement } from '../../topologies/settlement.ts'
import type {
  DeadLetter,
  Decision,
  HoldEvent,
  Instruction,
  LogRecord,
  Outcome,
  Rules,
  Settlement,
  Transaction,
} from '../model/types.ts'

export interface LineOptions {
  readonly settings: Settings
  /** In force from the start instead of the shipped ones: written as the first record of every partition. */
  readonly rules?: Rules
  readonly memory?: MemoryOptions
  /** Instead of an in-memory one. */
  readonly backend?: MemoryBackend
  /**
   * Copies with numbers that were there already: an error, or dropped as every reader of ours drops them. A broker that
   * loses the markers of an acknowledged transaction shows such copies to everybody (KAFKA-20734).
   */
  readonly copies?: 'dropped'
  readonly task?: Partial<Pick<TaskOptions, 'batchRows' | 'deltaEntries' | 'fetchBytes' | 'reached'>>
  /** The topologies, when a test has changed them; in the order of the flow. */
  readonly topologies?: (settings: Settings) => readonly Topology[]
}

/** What became of a log: the lists that the model gives, and alerts and partials beside them. */
export interface LineResult {
  readonly outcomes: Outcome[]
  readonly decisions: Decision[]
  readonly holdEvents: HoldEvent[]
  readonly deadLetters: DeadLetter[]
  readonly settlements: Settlement[]
  readonly instructions: Instruction[]
  readonly alerts: Record<string, unknown>[]
  /** Every output record of every topic, as it was written, marks included. */
  readonly written: ReadonlyMap<string, Written[]>
}

export interface Line {
  readonly backend: MemoryBackend
  readonly driver: TestDriver
  /** Appends records to one partition, `chunk` a batch. */
  append(partition: number, log: readonly LogRecord[], chunk?: number): Promise<void>
  /** Recovers every task anew and processes what is there. */
  run(): Promise<void>
  read(): Promise<LineResult>
  tasks(topology: string): Task[]
}

export async function openLine(options: LineOptions): Promise<Line> {
  const { settings, rules } = options
  const backend = options.backend ?? openMemory(options.memory)
  const topologies = options.topologies?.(settings) ?? [payments(settings), settlement(settings)]
  const driver = new TestDriver({
    topologies,
    topics: Object.values(topics),
    partitions: settings.partitions,
    markOf: (topic) => (topic === topics.cyclePartials.name ? null : records.mark),
    backend,
    task: options.task,
  })
  await driver.create()
  const line: Line = {
    backend,
    driver,
    async append(partition, log, chunk = 500) {
      for (let at = 0; at < log.length; at += chunk) {
        await driver.send(topics.transactions.name, partition, log.slice(at, at + chunk).map(rawRecord))
      }
    },
    run: () => driver.run(),
    read: () => readLine(driver, settings, options.copies === 'dropped'),
    tasks: (topology) => driver.tasks.filter((task) => task.name.startsWith(`${topology}-`)),
  }
  if (rules !== undefined) {
    const { version } = rules
    const first: LogRecord = { type: 'ruleSet', version, rules: JSON.stringify(rules), effectiveFrom: 0 }
    for (let partition = 0; partition < settings.partitions; partition++) await line.append(partition, [first])
  }
  return line
}

/** Runs a whole log, one list of records per partition, and reads what came out. */
export async function runLine(
  log: readonly (readonly LogRecord[])[],
  options: LineOptions,
): Promise<{ line: Line; result: LineResult }> {
  const line = await openLine(options)
  for (const [partition, some] of log.entries()) await line.append(partition, some)
  await line.run()
  return { line, result: await line.read() }
}

type RawRecord = Parameters<TestDriver['send']>[2][number]

/** A log record of the model as a record of topic transactions. */
export function rawRecord(record: LogRecord): RawRecord {
  const control = (type: RawRecord['type'], value: object): RawRecord => ({ key: null, type, value, timestamp: 0 })
  switch (record.type) {
    case 'transaction': {
      const { transaction, key, acceptedAt } = record
      const bytes = key === null ? null : new TextEncoder().encode(key)
      return { key: bytes, type: records.transaction, value: encoded(transaction), timestamp: acceptedAt }
    }
    case 'unreadable':
      return control(records.unreadable, {
        reason: record.reason,
        message: '',
        raw: new Uint8Array([1, 2, 3]),
        file: 'a.csv',
        line: 7,
      })
    case 'tick':
      return control(records.tick, record)
    case 'memberList':
      return control(records.memberList, record)
    case 'holdResolution':
      return control(records.holdResolution, record)
    case 'ruleSet':
      return control(records.ruleSet, { ...record, sha256: '', by: 'test' })
  }
}

/** Amounts beyond 2^53, which no object can have, are written over the largest one that it can. */
function encoded(transaction: Transaction): object | Uint8Array {
  const { amountMinor } = transaction
  if (amountMinor <= 2 ** 53) return transaction
  const arena = new Arena(64)
  arena.long(2 ** 53)
  const largest = Buffer.from(arena.toBytes())
  const value = Buffer.from(transactionCodec.encode({ ...transaction, amountMinor: 2 ** 53 }))
  const at = value.indexOf(largest)
  const varint: number[] = []
  let rest = BigInt(amountMinor) * 2n
  for (; rest >= 128n; rest >>= 7n) varint.push(Number(rest & 127n) | 128)
  varint.push(Number(rest))
  const changed = [value.subarray(0, at), Buffer.from(varint), value.subarray(at + largest.length)]
  return wire(records.transaction.id, Buffer.concat(changed))
}

const transactionCodec = objectCodec<Transaction>(records.transaction.schema)

const readLine = (driver: TestDriver, settings: Settings, dropCopies: boolean): Promise<LineResult> =>
  lineResult(async (topic) => {
    const read = await driver.read(topic)
    return dropCopies ? withoutCopies(read) : read
  }, settings)

/** What became of a log, from the records of each output topic, by partition and offset. */
export async function lineResult(read: (topic: string) => Promise<Written[]>, settings: Settings): Promise<LineResult> {
  const written = new Map<string, Written[]>()
  const of = async <T>(topic: string): Promise<(T & Written['value'])[]> => {
    const all = await read(topic)
    written.set(topic, all)
    return all.filter(({ type }) => type !== records.mark.name).map(({ value }) => value as T & Written['value'])
  }
  const outcomes = await of<Outcome>(topics.transactionOutcomes.name)
  // A decision names its transaction; the model keeps it whole. Both are in the order of the log.
  const accepted = new Map<number, Outcome[]>()
  for (const outcome of outcomes) {
    if (outcome.outcome !== 'ACCEPTED') continue
    const list = accepted.get(outcome.task) ?? []
    accepted.set(outcome.task, list)
    list.push(outcome)
  }
  const decisions = (await of<Decision & Transaction>(topics.decisions.name)).map((decision): Decision => {
    const transaction = accepted.get(decision.task)?.shift()?.transaction
    if (transaction === undefined || !sameIdentity(transaction, decision)) {
      throw new Error(`decision on ${decision.transactionId} does not follow transaction-outcomes`)
    }
    const { task, logicalTime, outcome, reasons, cycleStart, late, score, ruleVersion } = decision
    const { contributions, features } = decision
    return {
      task,
      logicalTime,
      transaction,
      outcome,
      reasons,
      cycleStart,
      late,
      score,
      ruleVersion,
      contributions,
      features,
    }
  })
  const deadLetters = (
    await of<{ rawKey: Uint8Array | null; rawValue: Uint8Array | null } & DeadLetter>(topics.deadLetters.name)
  ).map(({ task, logicalTime, reason, rawKey, rawValue }): DeadLetter => {
    const key = rawKey === null ? null : new TextDecoder().decode(rawKey)
    return { task, logicalTime, reason, key, transaction: transactionIn(rawValue) }
  })
  const result = {
    outcomes: outcomes.map(({ task, logicalTime, outcome, firstSeenAt, transaction }) => ({
      task,
      logicalTime,
      outcome,
      firstSeenAt,
      transaction,
    })),
    decisions,
    holdEvents: (await of<HoldEvent>(topics.holdEvents.name)).map((event): HoldEvent => {
      const { seq: _seq, ...rest } = event as unknown as HoldEvent & { seq: number }
      return rest
    }),
    deadLetters,
    settlements: (await of<Settlement>(topics.settlements.name)).map((s): Settlement => {
      const { cycleStart, currency, count, gross, onUsCount, onUs, net, bilateral, positions } = s
      return { cycleStart, currency, count, gross, onUsCount, onUs, net, bilateral, positions }
    }),
    instructions: (await of<Instruction>(topics.instructions.name)).map((i): Instruction => {
      const { instructionId, cycleStart, member, currency, direction, amount, settlementAccount } = i
      return { instructionId, cycleStart, member, currency, direction, amount, settlementAccount }
    }),
    alerts: await of<Record<string, unknown>>(topics.alerts.name),
    written,
  }
  await of(topics.cyclePartials.name)
  assertNumbered(written, settings)
  return result
}

const sameIdentity = (a: Transaction, b: Transaction): boolean =>
  a.producer === b.producer && a.payerAccount === b.payerAccount && a.transactionId === b.transactionId

/** The transaction in a raw value, or null when there is none. */
function transactionIn(raw: Uint8Array | null): Transaction | null {
  if (raw === null || raw.length < 5 || raw[0] !== 0) return null
  if (new DataView(raw.buffer, raw.byteOffset).getInt32(1) !== records.transaction.id) return null
  try {
    return transactionCodec.decode(raw.subarray(5))
  } catch {
    // Cut or mangled on purpose: what the test compares is the reason.
    return null
  }
}

/** What a reader takes who keeps the next number of every task: lower ones are copies. */
function withoutCopies(written: readonly Written[]): Written[] {
  const next = new Map<number, number>()
  return written.filter(({ type, value }) => {
    const task = value.task as number
    const expected = next.get(task) ?? 0
    if (type === records.mark.name) return (value.nextSeq as number) >= expected
    if ((value.seq as number) < expected) return false
    next.set(task, (value.seq as number) + 1)
    return true
  })
}

/** Every (task, topic) numbers its records from 0 without gaps; a mark carries the next number and takes none. */
export function assertNumbered(written: ReadonlyMap<string, Written[]>, settings: Settings): void {
  for (const [topic, all] of written) {
    const next = new Map<number, number>()
    for (const { type, value, partition } of all) {
      const task = value.task as number
      const expected = next.get(task) ?? 0
      const number = type === records.mark.name ? value.nextSeq : value.seq
      if (number !== expected) throw new Error(`${topic}, task ${task}: expected ${expected}, found ${String(number)}`)
      if (type !== records.mark.name) next.set(task, expected + 1)
      if (topics.transactions.name === topic || task < 0 || task >= settings.partitions || partition > task) {
        throw new Error(`${topic}: record of task ${task} in partition ${partition}`)
      }
    }
  }
}
