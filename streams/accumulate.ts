/**
 * accumulate: adds up what one party owes another per cycle and currency; when stream time closes cycles it emits a
 * partial for each one that is not empty, ascending, then closedThrough. Exact: sums leave doubles before they round.
 */

import type { TaskState } from './backend.ts'
import type { Batch } from './batch.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import { KeyIndex } from './keys.ts'
import type { Item, Items, OperatorSpec, TaskContext } from './operator.ts'
import type { DeltaBuilder, Store } from './store.ts'

export interface Accumulate {
  readonly debtor: string
  readonly creditor: string
  /** Text of the unit (currency). */
  readonly unit: string
  readonly amount: string
  /** Number column: start of the cycle that the row joins. */
  readonly cycle: string
  /** Code column: when not 0 the obligation is turned round; without it none is. */
  readonly turned?: string
  /** Most obligations in one partial; a larger one is cut into chunks. */
  readonly chunk: number
  readonly cycleMs: number
}

export interface PartialItem {
  readonly type: string
  readonly cycleStart?: number
  readonly chunk?: number
  readonly chunks?: number
  readonly obligations?: readonly {
    readonly payerBank: string
    readonly payeeBank: string
    readonly currency: string
    readonly count: number
    readonly amount: bigint
  }[]
  readonly closedThrough?: number
  readonly cut?: boolean
}

const SPLIT = 2 ** 32
/** From here on the low part is carried over: far below 2^53, where doubles would round. */
const CARRY = 2 ** 52
/** Keys of a cell: unit * 2^40 + debtor * 2^20 + creditor, all interned; so at most 2^20 parties and 2^12 units. */
const PARTY = 2 ** 20

interface Cell {
  count: number
  high: number
  low: number
}

export function accumulate(name: string, spec: Accumulate): OperatorSpec {
  return {
    word: 'accumulate',
    name,
    needs: [
      spec.debtor,
      spec.creditor,
      spec.unit,
      spec.amount,
      spec.cycle,
      ...(spec.turned === undefined ? [] : [spec.turned]),
    ],
    adds: [],
    stores: [name],
    uses: [],
    ports: ['out'],
    emits: 'items',
    create(context) {
      const accumulator = new Accumulator(name, spec, context)
      context.stores.set(name, accumulator)
      return {
        process: (input, emit) => emit('out', accumulator.feed(input as Batch)),
      }
    },
  }
}

/** The keys of an index in the order of their bytes: cells are sorted by ranks, not by texts, every time a cycle closes. */
class KeyOrder {
  /** By id. */
  rankOf = new Int32Array(0)
  /** By rank. */
  idAt: number[] = []
  textAt: string[] = []

  /** Worked out anew when keys were added since. */
  of(index: KeyIndex): this {
    if (index.size === this.idAt.length) return this
    const keys = Array.from({ length: index.size }, (_, id) => Buffer.from(index.key(id)))
    this.idAt = [...keys.keys()].sort((a, b) => Buffer.compare(keys[a], keys[b]))
    this.textAt = this.idAt.map((id) => keys[id].toString('utf8'))
    this.rankOf = new Int32Array(index.size)
    this.idAt.forEach((id, rank) => (this.rankOf[id] = rank))
    return this
  }
}

class Accumulator implements Store {
  readonly name: string
  private readonly spec: Accumulate
  private readonly context: TaskContext
  private readonly texts = new KeyIndex(256)
  private readonly units = new KeyIndex(64)
  private readonly textOrder = new KeyOrder()
  private readonly unitOrder = new KeyOrder()
  private readonly cycles = new Map<number, Map<number, Cell>>()
  private readonly changed = new Set<number>()

  constructor(name: string, spec: Accumulate, context: TaskContext) {
    this.name = name
    this.spec = spec
    this.context = context
  }

  /** Adds the rows in order; cycles that a row closes are emitted before the row itself counts. */
  feed(batch: Batch): Items<PartialItem> {
    const items: Item<PartialItem>[] = []
    const step = this.context.step()
    const closings = step.frame === batch.frame ? step.closings : []
    let next = 0
    const { selection, count } = batch
    let from = 0
    while (next < closings.length) {
      const { row, closedThrough, cut } = closings[next++]
      let until = from
      while (until < count && selection[until] < row) until++
      this.add(batch, from, until)
      from = until
      this.close(row, closedThrough, cut, items)
    }
    this.add(batch, from, count)
    return items
  }

  private add(batch: Batch, from: number, to: number): void {
    if (to <= from) return
    const { spec, texts } = this
    const debtor = batch.text(spec.debtor)
    const creditor = batch.text(spec.creditor)
    const unit = batch.text(spec.unit)
    const amounts = batch.number(spec.amount)
    const cycle = batch.number(spec.cycle)
    const turned = spec.turned === undefined ? null : batch.code(spec.turned)
    let cells: Map<number, Cell> | undefined
    let cellsOf = -1
    for (let i = from; i < to; i++) {
      const row = batch.selection[i]
      const a = texts.intern(debtor.bytes, debtor.offsets[row], debtor.lengths[row])
      const b = texts.intern(creditor.bytes, creditor.offsets[row], creditor.lengths[row])
      const u = this.units.intern(unit.bytes, unit.offsets[row], unit.lengths[row])
      if (cells === undefined || cycle[row] !== cellsOf) {
        cellsOf = cycle[row]
        cells = this.cycles.get(cellsOf)
        if (cells === undefined) this.cycles.set(cellsOf, (cells = new Map()))
        this.changed.add(cellsOf)
      }
      const key = u * PARTY * PARTY + (turned === null || turned[row] === 0 ? a * PARTY + b : b * PARTY + a)
      let cell = cells.get(key)
      if (cell === undefined) cells.set(key, (cell = { count: 0, high: 0, low: 0 }))
      const upper = Math.floor(amounts[row] / SPLIT)
      cell.count++
      cell.high += upper
      cell.low += amounts[row] - upper * SPLIT
      if (cell.low >= CARRY) {
        cell.high += Math.floor(cell.low / SPLIT)
        cell.low %= SPLIT
      }
    }
    if (texts.size >= PARTY) throw new Error(`accumulate '${this.name}': more than ${PARTY} parties`)
  }

  private close(row: number, closedThrough: number, cut: boolean, items: Item<PartialItem>[]): void {
    const closed = [...this.cycles.keys()].filter((start) => start + this.spec.cycleMs <= closedThrough)
    for (const cycleStart of closed.sort((a, b) => a - b)) {
      const obligations = this.obligations(this.cycles.get(cycleStart) as Map<number, Cell>)
      const chunks = Math.ceil(obligations.length / this.spec.chunk)
      for (let chunk = 0; chunk < chunks; chunk++) {
        const part = obligations.slice(chunk * this.spec.chunk, (chunk + 1) * this.spec.chunk)
        items.push({ row, value: { type: 'cycle-partial.v1', cycleStart, chunk, chunks, obligations: part } })
      }
      this.cycles.delete(cycleStart)
      this.changed.add(cycleStart)
    }
    items.push({ row, value: { type: 'closed-through.v1', closedThrough, cut } })
  }

  private obligations(cells: Map<number, Cell>): NonNullable<PartialItem['obligations']> {
    const units = this.unitOrder.of(this.units)
    const texts = this.textOrder.of(this.texts)
    const keys = Float64Array.from(cells.keys(), (key) => {
      const [unit, debtor, creditor] = partsOf(key)
      return units.rankOf[unit] * PARTY * PARTY + texts.rankOf[debtor] * PARTY + texts.rankOf[creditor]
    }).sort()
    return Array.from(keys, (key) => {
      const [unit, debtor, creditor] = partsOf(key)
      const { count, high, low } = cells.get(
        units.idAt[unit] * PARTY * PARTY + texts.idAt[debtor] * PARTY + texts.idAt[creditor],
      ) as Cell
      return {
        payerBank: texts.textAt[debtor],
        payeeBank: texts.textAt[creditor],
        currency: units.textAt[unit],
        count,
        amount: BigInt(high) * BigInt(SPLIT) + BigInt(low),
      }
    })
  }

  get dirtyEntries(): number {
    return this.changed.size
  }

  /** Open cycles: their starts, and what they hold. For display. */
  open(): { cycleStart: number; obligations: NonNullable<PartialItem['obligations']> }[] {
    return [...this.cycles.keys()]
      .sort((a, b) => a - b)
      .map((cycleStart) => ({
        cycleStart,
        obligations: this.obligations(this.cycles.get(cycleStart) as Map<number, Cell>),
      }))
  }

  /** Open cycles in any order: rows and their sum per unit. For display: nothing is sorted, however many parties. */
  sums(): { cycleStart: number; units: { unit: string; count: number; amount: bigint }[] }[] {
    return [...this.cycles].map(([cycleStart, cells]) => {
      const units = new Map<number, Cell>()
      for (const [key, { count, high, low }] of cells) {
        const unit = Math.floor(key / (PARTY * PARTY))
        const sum = units.get(unit) ?? { count: 0, high: 0, low: 0 }
        units.set(unit, sum)
        sum.count += count
        // Kept below 2^53 by carrying over, as in add.
        sum.high += high + Math.floor(low / SPLIT)
        sum.low += low % SPLIT
      }
      return {
        cycleStart,
        units: [...units].map(([unit, { count, high, low }]) => ({
          unit: Buffer.from(this.units.key(unit)).toString('utf8'),
          count,
          amount: BigInt(high) * BigInt(SPLIT) + BigInt(low),
        })),
      }
    })
  }

  save(delta: DeltaBuilder): void {
    const writer = new ByteWriter()
    for (const cycleStart of this.changed) {
      const key = new TextEncoder().encode(String(cycleStart).padStart(16, '0'))
      const cells = this.cycles.get(cycleStart)
      if (cells === undefined) {
        delta.remove(this.name, key)
        continue
      }
      for (const [cell, { count, high, low }] of cells) {
        const [unit, debtor, creditor] = partsOf(cell)
        writer.bytes(this.units.key(unit))
        writer.bytes(this.texts.key(debtor))
        writer.bytes(this.texts.key(creditor))
        writer.varint(count)
        writer.varint(high)
        writer.varint(low)
      }
      delta.put(this.name, key, writer.take())
    }
    this.changed.clear()
  }

  async load(state: TaskState): Promise<void> {
    for (const { key, value } of (await state.list(this.name)).entries) {
      const cells = new Map<number, Cell>()
      const reader = new ByteReader(value)
      while (!reader.done) {
        const intern = (index: KeyIndex, bytes: Uint8Array): number => index.intern(bytes, 0, bytes.length)
        const unit = intern(this.units, reader.bytes())
        const debtor = intern(this.texts, reader.bytes())
        const creditor = intern(this.texts, reader.bytes())
        const cell = { count: reader.varint(), high: reader.varint(), low: reader.varint() }
        cells.set(unit * PARTY * PARTY + debtor * PARTY + creditor, cell)
      }
      this.cycles.set(Number(new TextDecoder().decode(key)), cells)
    }
  }
}

/** Unit, debtor, creditor of a cell's key. */
const partsOf = (key: number): [number, number, number] => {
  const unit = Math.floor(key / (PARTY * PARTY))
  const parties = key - unit * PARTY * PARTY
  const debtor = Math.floor(parties / PARTY)
  return [unit, debtor, parties - debtor * PARTY]
}
