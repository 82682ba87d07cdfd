/** Held records against a plain list of them: any order, any delay of the store, reloaded at any moment. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defaultSettings } from '../../schemas/settings.ts'
import type { TaskState } from '../../streams/backend.ts'
import { ByteReader, ByteWriter } from '../../streams/bytes.ts'
import { decode, encode, HeldStore, type Held } from '../../streams/held.ts'
import { openMemory } from '../../streams/memory/index.ts'
import { DeltaBuilder, type Missing } from '../../streams/store.ts'
import { settle } from '../model/settle.ts'
import type { LogRecord, Resolution, Transaction } from '../model/types.ts'
import { monday } from '../model/worked-records.ts'
import { disagreements } from '../simulation/agree.ts'
import { openLine, type Line } from '../simulation/line.ts'
import { simulatedRules } from '../simulation/random-log.ts'

/** Identities of which some have the same first 32 bits: the index cannot tell these apart. */
const identities = ['a', 'b', 'c'].flatMap((last) => ['0', '1'].map((tag) => tag.repeat(8) + last.repeat(24)))

type Unplaced = Omit<Held, 'ordinal'>

const heldOf = (identity: string, refersTo: string, at: number): Unplaced => ({
  group: 'acc-7',
  identity,
  refersTo,
  content0: at,
  content1: ~at,
  heldAt: at,
  firstSeenAt: at,
  reasons: ['velocity'],
  unchecked: false,
  originalCycleStart: at,
  drawn: 0,
  event: Uint8Array.of(at & 255),
})

/** A store over a stored state, which gets deltas later than they are taken. */
class Driven {
  store = new HeldStore('held', 1000)
  private readonly memory = openMemory()
  private state!: TaskState
  private readonly deltas: DeltaBuilder[] = []
  private to = 0
  private applied = 0

  async open(): Promise<void> {
    this.state = await this.memory.state.acquire('t')
    this.store = new HeldStore('held', 1000)
    await this.store.load(this.state)
  }

  save(): void {
    const delta = new DeltaBuilder(++this.to)
    this.store.save(delta)
    this.deltas.push(delta)
  }

  async apply(): Promise<void> {
    const delta = this.deltas.shift()
    if (delta === undefined) return
    const { puts, removes, dropKinds, to } = delta
    await this.state.apply({ from: this.applied, to, metadata: '', puts, removes, dropKinds })
    this.applied = to
    this.store.stored(to)
  }

  async reopen(): Promise<void> {
    this.save()
    while (this.deltas.length > 0) await this.apply()
    await this.open()
  }

  /** Reads what the step needs; in between a delta may come to be stored. */
  async ask(ordinals: readonly number[], meanwhile: () => Promise<void>): Promise<void> {
    let missing: Missing | null = this.store.ask(ordinals)
    while (missing !== null) {
      const { values } = await this.state.read(missing.keys)
      await meanwhile()
      missing.absorb(values)
      missing = missing.more?.() ?? null
    }
    await meanwhile()
  }

  peek = async (kind: string, keys: readonly Uint8Array[]) => (await this.memory.state.peek('t', kind, keys)).entries
}

const identity = fc.constantFrom(...identities)
const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('add' as const), identity, refersTo: fc.option(identity) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('remove' as const), identity }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('draw' as const), identity }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('save', 'apply', 'step', 'reopen') }) },
)

type Action = typeof action extends fc.Arbitrary<infer T> ? T : never

/** Does one thing to both; what is found, and what should be. */
async function both(driven: Driven, plain: Unplaced[], one: Action, at: number): Promise<[unknown, unknown]> {
  const { store } = driven
  if (one.do === 'save') driven.save()
  else if (one.do === 'apply') await driven.apply()
  else if (one.do === 'reopen') await driven.reopen()
  else if (one.do === 'step') store.advance(0)
  if (one.do === 'add') {
    const held = heldOf(one.identity, one.refersTo ?? '', at)
    store.add(held)
    plain.push(held)
  }
  if (one.do !== 'remove' && one.do !== 'draw') return [null, null]
  const asked = [...store.ordinalsOf(one.identity), ...store.ordinalsFor(one.identity)]
  await driven.ask(asked, () => driven.apply())
  const found = store.find(one.identity)
  const index = plain.findIndex((held) => held.identity === one.identity)
  const is = [found, ...store.waitingFor(one.identity)]
  const should = [plain[index] ?? null, ...plain.filter((held) => held.refersTo === one.identity)]
  if (found !== null && one.do === 'remove') {
    store.remove(found)
    plain.splice(index, 1)
  } else if (found !== null) {
    store.put({ ...found, drawn: at })
    plain[index] = { ...plain[index], drawn: at }
  }
  return [is, should]
}

describe('what is held', () => {
  it('is found as if all of it were in memory', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60, size: 'max' }), async (actions) => {
        const driven = new Driven()
        await driven.open()
        const plain: Unplaced[] = []
        for (const [at, one] of actions.entries()) {
          const [is, should] = await both(driven, plain, one, at)
          expect({ is }).toMatchObject({ is: should })
          const longest = driven.store.longest(3).map(({ heldAt }) => heldAt)
          expect([driven.store.size, ...longest]).toEqual([plain.length, ...plain.slice(0, 3).map((o) => o.heldAt)])
          const oldest = await driven.store.oldest(100, driven.peek)
          expect({ oldest }).toMatchObject({ oldest: plain })
        }
      }),
      { numRuns: 300 },
    )
  })

  it('is in memory only until it is stored', async () => {
    const driven = new Driven()
    await driven.open()
    for (let at = 0; at < 3000; at++) driven.store.add(heldOf(identities[at % 6], '', at))
    driven.save()
    driven.store.advance(0)
    expect(driven.store.inMemory).toBe(3000)
    await driven.apply()
    driven.store.advance(0)
    expect([driven.store.inMemory, driven.store.size]).toEqual([0, 3000])
    await driven.reopen()
    expect([driven.store.inMemory, driven.store.size]).toEqual([0, 3000])
    expect((await driven.store.oldest(5000, driven.peek)).map(({ heldAt }) => heldAt)).toEqual(
      Array.from({ length: 3000 }, (_, at) => at),
    )
  })

  it('is taken over from the form before there was an index, and written anew', async () => {
    const state = await openMemory().state.acquire('t')
    const key = (text: string): Uint8Array => new TextEncoder().encode(text)
    const old = [0, 1].map((ordinal) => ({ ...heldOf(identities[0], '', 50 + ordinal), ordinal }))
    const writer = new ByteWriter()
    // As their keys sort: not in order of arrival.
    const puts = [
      { kind: 'held', key: key(`acc-7\0${identities[0]}\0a`), value: encode(old[1], writer).slice() },
      { kind: 'held', key: key(`acc-7\0${identities[0]}\0b`), value: encode(old[0], writer).slice() },
    ]
    await state.apply({ from: 0, to: 1, metadata: '', puts, removes: [], dropKinds: [] })
    for (const from of [1, 2]) {
      const store = new HeldStore('held', 1000)
      await store.load(state)
      expect(store.longest(9)).toEqual(old.map(({ ordinal, heldAt }) => ({ ordinal, heldAt })))
      const missing = store.ask(store.ordinalsOf(identities[0]))
      missing?.absorb((await state.read(missing.keys)).values)
      expect(store.find(identities[0])).toEqual(old[0])
      const delta = new DeltaBuilder(from + 1)
      store.save(delta)
      const { to, removes, dropKinds } = delta
      await state.apply({ from, to, metadata: '', puts: delta.puts, removes, dropKinds })
      const left = (await state.list('held')).entries.map(({ value }) => value)
      expect(left.length).toBe(1)
      // A program from before stops there, and does not go on as if nothing were held.
      expect(() => decode(new ByteReader(left[0]))).toThrow('cut')
    }
  })
})

const settings = { ...defaultSettings, partitions: 1 }
const rules = {
  ...simulatedRules,
  rules: [{ ...simulatedRules.rules[0], when: [{ feature: 'amountMinor', atLeast: 500 }] }],
}
const day = 86_400_000

const payment = (id: string, at: number, more: Partial<Transaction> = {}): LogRecord => ({
  type: 'transaction',
  key: 'acc-7',
  acceptedAt: at,
  transaction: {
    producer: 'shop',
    payerAccount: 'acc-7',
    transactionId: id,
    kind: 'PAYMENT',
    occurredAt: at,
    payerBank: 'bank-a',
    payeeAccount: 'acc-1',
    payeeBank: 'bank-b',
    merchant: null,
    amountMinor: 100,
    currency: 'EUR',
    country: null,
    originalTransactionId: null,
    timePrecision: 'MILLISECOND',
    ...more,
  },
})
const back = (id: string, of: string, at: number, amountMinor: number): LogRecord =>
  payment(id, at, { kind: 'REFUND', originalTransactionId: of, amountMinor })
const resolve = (transactionId: string, more: Partial<Resolution> = {}): LogRecord => ({
  type: 'holdResolution',
  resolutionId: `${transactionId} resolved`,
  action: 'RELEASE',
  producer: 'shop',
  payerAccount: 'acc-7',
  transactionId,
  by: 'anna',
  why: 'seen',
  notSettledElsewhere: false,
  ...more,
})
const close = (at: number): LogRecord => ({ type: 'tick', at: at + 400_000, clock: 'FILES', closeThrough: null })

const heldBy = (line: Line): HeldStore => line.tasks('payments')[0].processor.stores.get('held') as HeldStore

describe('a task that was started anew', () => {
  const first = [
    payment('P1', monday, { amountMinor: 1000 }),
    back('R1', 'P1', monday + 1, 600),
    back('R2', 'P1', monday + 2, 500),
    back('R3', 'P1', monday + 3, 1),
    payment('P2', monday + 4, { amountMinor: 700 }),
  ]
  // What is drawn on a payment that is held, while its identity is known.
  const drawn = [resolve('R1')]
  const late = [close(monday + 3 * day), payment('P3', monday, { amountMinor: 5 })]
  // Its own identity is forgotten by then: its copies are compared with what is held.
  const copies = [
    close(monday + 6 * day),
    payment('P3', monday, { amountMinor: 5 }),
    payment('P3', monday, { amountMinor: 6 }),
  ]
  const resolved = [
    resolve('P1'),
    resolve('P2', { action: 'REJECT' }),
    resolve('P3'),
    resolve('P3', { resolutionId: 'again', notSettledElsewhere: true }),
    close(monday + 7 * day),
  ]

  it.each([{}, { batchRows: 1, deltaEntries: 1 }])('resolves what it has not read yet (%o)', async (task) => {
    const line = await openLine({ settings, rules, task })
    for (const some of [first, drawn, late, copies, resolved]) {
      await line.run()
      expect(heldBy(line).inMemory).toBe(0)
      await line.append(0, some)
      await line.run()
    }
    const log = [...first, ...drawn, ...late, ...copies, ...resolved]
    expect(disagreements(await line.read(), settle([log], settings, rules))).toEqual([])
    // R2 asks for more than is left.
    expect(heldBy(line).size).toBe(1)
  })

  it('says that the state is damaged when a record is not there', async () => {
    const line = await openLine({ settings, rules })
    await line.append(0, first)
    await line.run()
    const state = await line.backend.state.acquire('payments-0')
    const { position = 0, metadata = '' } = state.header ?? {}
    await state.apply({ from: position, to: position, metadata, puts: [], removes: [], dropKinds: ['held/records'] })
    await line.append(0, drawn)
    await expect(line.run()).rejects.toMatchObject({ code: 'SLUICE_STATE_DAMAGED' })
  })
})
