/**
 * Looks a transaction up: what waits in the log, what is decided and not in the tables yet, and everything else from the
 * tables. In this order, so that a record that moves on meanwhile is met at least once; copies are dropped by number.
 */

import type { TransactionView } from '../../intake/http/ports.ts'
import type {
  DecisionRecord,
  HoldEventRecord,
  InstructionRecord,
  SettlementRecord,
  TransactionOutcomeRecord,
  TransactionRecord,
} from '../../schemas/generated.ts'
import { records, topics, type RecordType } from '../../schemas/topics.ts'
import type { ClickHouse } from '../../sink/clickhouse.ts'
import { seekSeq } from '../../sink/seek.ts'
import { partitionOf } from '../../streams/hash.ts'
import { CycleMerger } from '../../streams/index.ts'
import { newFrame } from '../../streams/records.ts'
import type { LineView } from '../line-view.ts'
import { store } from '../sheet.ts'
import type { TablesView } from '../tables.ts'
import { instructionView, livesOf, viewOf, type Life } from './life.ts'
import {
  decisionRows,
  holdEventRows,
  instructionRows,
  outcomeRows,
  settlementIsThere,
  type Asked,
} from './life-rows.ts'
import { needleOf, recordsHolding } from './log-search.ts'

export interface LookupOptions {
  readonly engine: LineView
  /** Null: there are no tables, and the log is all there is. */
  readonly tables: { readonly sink: TablesView['sink']; readonly analyst: ClickHouse } | null
}

const utf8 = new TextEncoder()

export class Lookup {
  private readonly options: LookupOptions

  constructor(options: LookupOptions) {
    this.options = options
  }

  /** Views by payer account; empty when nothing is known. Errors: those of ClickHouse. */
  async find(asked: Asked): Promise<TransactionView[]> {
    const { engine, tables } = this.options
    const partitions = this.partitionsOf(asked)
    const needle = needleOf(asked.transactionId)
    const queued = (await Promise.all(partitions.map((partition) => this.queued(partition, needle)))).flat()
    const fresh = await this.fresh(partitions, needle)
    const same = (one: Asked): boolean => one.producer === asked.producer && one.transactionId === asked.transactionId
    const mine = (one: Asked): boolean =>
      same(one) && (asked.payerAccount === undefined || one.payerAccount === asked.payerAccount)
    const stored =
      tables === null
        ? [[], [], []]
        : await Promise.all([
            outcomeRows(tables.analyst, asked),
            decisionRows(tables.analyst, asked),
            holdEventRows(tables.analyst, asked),
          ])
    const all: Life = {
      queued: queued.filter(mine),
      outcomes: [...fresh.outcomes.filter(({ transaction }) => mine(transaction)), ...stored[0]],
      decisions: [...fresh.decisions.filter(mine), ...stored[1]],
      holdEvents: [...fresh.holdEvents.filter(mine), ...stored[2]],
    }
    const { cycleMs } = engine.line.settings
    const settledThrough = store(engine.tasks[engine.tasks.length - 1], 'merge', CycleMerger).closedThrough
    const views = [...livesOf(all).values()].map((life) => viewOf(life, { lengthMs: cycleMs, settledThrough }))
    return Promise.all(views.filter((view) => view !== null).map((view) => this.withInstructions(view)))
  }

  private partitionsOf({ payerAccount }: Asked): number[] {
    const { partitions } = this.options.engine.line.settings
    if (payerAccount === undefined) return Array.from({ length: partitions }, (_, partition) => partition)
    const key = utf8.encode(payerAccount)
    return [partitionOf(key, 0, key.length, partitions)]
  }

  /** Transactions of a partition between what its task has committed and the end of the log. */
  private async queued(partition: number, needle: Buffer): Promise<TransactionRecord[]> {
    const { engine } = this.options
    const { schemas } = engine.line
    const { log } = engine.line.backend
    const at = { topic: topics.transactions.name, partition }
    const { start, end } = await log.bounds(at)
    const from = Math.max(start, engine.tasks[partition].committed)
    const types = [records.transaction, records.transactionV1]
    return recordsHolding<TransactionRecord>(log, at, from, end, types, needle, newFrame(256), schemas)
  }

  private async fresh(partitions: readonly number[], needle: Buffer): Promise<Omit<Life, 'queued'>> {
    const of = async <T>(topic: string, type: RecordType): Promise<T[]> =>
      (await Promise.all(partitions.map((partition) => this.undelivered<T>(topic, partition, type, needle)))).flat()
    return {
      outcomes: await of<TransactionOutcomeRecord>(topics.transactionOutcomes.name, records.transactionOutcome),
      decisions: await of<DecisionRecord>(topics.decisions.name, records.decision),
      holdEvents: await of<HoldEventRecord>(topics.holdEvents.name, records.holdEvent),
    }
  }

  /** Records of an output partition that hold a text and that the tables do not have yet. */
  private async undelivered<T>(topic: string, partition: number, type: RecordType, needle: Buffer): Promise<T[]> {
    const { backend, schemas } = this.options.engine.line
    const { log } = backend
    const at = { topic, partition }
    const { end } = await log.bounds(at)
    const frame = newFrame(256)
    const from = await this.firstUndelivered(topic, partition)
    return recordsHolding<T>(log, at, from, end, [type], needle, frame, schemas)
  }

  private async firstUndelivered(topic: string, partition: number): Promise<number> {
    const { engine, tables } = this.options
    const { log } = engine.line.backend
    const at = { topic, partition }
    const lag = tables?.sink.lag().find((one) => one.topic === topic && one.partition === partition)
    if (lag === undefined) return (await log.bounds(at)).start
    const output = engine.tasks
      .flatMap((task) => task.processor.graph.outputs)
      .find(({ destination }) => destination.topic === topic && destination.partition === partition)
    // In a quiet hour the tables have everything, and only marks stand behind it.
    if (output !== undefined && lag.insertedRows >= output.seq) return (await log.bounds(at)).end
    return seekSeq(log, at, lag.insertedRows, newFrame(256))
  }

  /** Of a settled one that is not on us: what its banks pay and receive in its cycle. */
  private async withInstructions(view: TransactionView): Promise<TransactionView> {
    if (view.state !== 'settled' || view.cycle === null) return view
    const { start } = view.cycle
    // The task has closed the cycle; it is settled for others when that is committed, instructions with it.
    if (!(await this.isSettled(start, view.currency))) return { ...view, state: 'pending' }
    if (view.payerBank === view.payeeBank) return view
    const banks = [view.payerBank, view.payeeBank]
    const needle = needleOf(view.currency)
    const { name } = topics.instructions
    const fresh = await this.undelivered<InstructionRecord>(name, 0, records.instruction, needle)
    const found = new Map<string, InstructionRecord>()
    for (const one of fresh) {
      if (one.cycleStart === start && one.currency === view.currency && banks.includes(one.member))
        found.set(one.instructionId, one)
    }
    const { tables } = this.options
    if (found.size < 2 && tables !== null) {
      for (const one of await instructionRows(tables.analyst, start, view.currency, banks)) {
        found.set(one.instructionId, one)
      }
    }
    return { ...view, instructions: [...found.values()].map(instructionView) }
  }

  /** Whether a currency's settlement of a cycle can be read. */
  private async isSettled(cycleStart: number, currency: string): Promise<boolean> {
    const { name } = topics.settlements
    const fresh = await this.undelivered<SettlementRecord>(name, 0, records.settlement, needleOf(currency))
    if (fresh.some((one) => one.cycleStart === cycleStart && one.currency === currency)) return true
    const { tables } = this.options
    return tables !== null && settlementIsThere(tables.analyst, cycleStart, currency)
  }
}
