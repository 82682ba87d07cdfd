/** What was seen, against a plain map: known to the millisecond of the horizon, grown, swept, stored and loaded. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openMemory, type MemoryBackend } from '../../streams/memory/index.ts'
import { SeenStore } from '../../streams/seen.ts'
import { DeltaBuilder } from '../../streams/store.ts'

const HORIZON = 2_400
const made = (): SeenStore => new SeenStore('seen', HORIZON, ['amount', 'returned'], ['kind'])
const lanes = (id: number): Int32Array => Int32Array.of(Math.imul(id, 0x9e3779b1), id, 7, -id)

/** Saves a store's delta, and loads all of it into a new one. */
class Stored {
  private position = 0
  readonly drops: number[] = []
  private readonly memory: MemoryBackend = openMemory()

  async save(store: SeenStore): Promise<void> {
    const state = await this.memory.state.acquire('t')
    const delta = new DeltaBuilder(this.position + 1)
    store.save(delta)
    const { puts, removes, dropKinds } = delta
    this.drops.push(dropKinds.length)
    await state.apply({ from: this.position, to: ++this.position, metadata: '', puts, removes, dropKinds })
  }

  async load(): Promise<SeenStore> {
    const store = made()
    await store.load(await this.memory.state.acquire('t'))
    return store
  }
}

describe('what was seen', () => {
  it('is what a plain map says, whatever is stored, loaded and forgotten on the way', async () => {
    const act = fc.record({
      id: fc.nat({ max: 12 }),
      by: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constantFrom(HORIZON, HORIZON + 1, HORIZON - 1, 100, 99)),
      next: fc.constantFrom('nothing', 'set', 'save', 'load'),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 120 }), async (acts) => {
        const naive = new Map<number, { at: number; amount: number; kind: number }>()
        const stored = new Stored()
        let store = made()
        let now = 1_000_000
        for (const { id, by, next } of acts) {
          now += by
          const known = naive.get(id)
          const entry = store.find(lanes(id), 0, now)
          expect(entry >= 0).toBe(known !== undefined && now - known.at <= HORIZON)
          const found = entry < 0 ? null : [store.firstSeenAt(entry), store.number(entry, 0), store.code(entry, 0)]
          expect(found).toEqual(entry < 0 ? null : [known?.at, known?.amount, known?.kind])
          if (entry >= 0) {
            if (next === 'set') {
              store.setCode(entry, 0, (known!.kind = (known!.kind + 1) % 3))
              store.setNumber(entry, 0, (known!.amount += 5))
            }
          } else {
            const added = store.add(lanes(id), 0, id, id, now)
            store.setNumber(added, 0, id)
            naive.set(id, { at: now, amount: id, kind: 0 })
          }
          store.advance(now)
          if (next === 'save' || next === 'load') await stored.save(store)
          if (next === 'load') store = await stored.load()
        }
      }),
      { numRuns: 200 },
    )
  })

  it('leaves the entry of an identity that comes back as it was', () => {
    const store = made()
    const first = store.add(lanes(1), 0, 11, 12, 0)
    store.setNumber(first, 0, 500)
    const again = store.add(lanes(1), 0, 21, 22, HORIZON + 1)
    expect([store.number(first, 0), store.contentOf(first, 0), store.number(again, 0)]).toEqual([500, 11, 0])
    expect(store.find(lanes(1), 0, HORIZON + 1)).toBe(again)
    // Growing places every entry anew, the one that was left behind not.
    for (let id = 2; id < 20_000; id++) store.add(lanes(id), 0, 0, 0, HORIZON + 1)
    expect(store.find(lanes(1), 0, HORIZON + 1)).toBe(again)
  })

  it('grows, and sweeps out what is forgotten although something is new in every step', async () => {
    const store = made()
    const stored = new Stored()
    let id = 0
    for (let now = 0; now < HORIZON * 20; now += HORIZON / 20) {
      for (let k = 0; k < 4_000; k++) store.add(lanes(++id), 0, 0, 0, now)
      store.advance(now)
      await stored.save(store)
    }
    // 21 steps are within the horizon; the floor of a sweep is 65,536 on top of them.
    expect(store.size).toBeLessThan(84_000 + 84_000 + 65_536 + 8_000)
    expect(store.find(lanes(id), 0, HORIZON * 20)).toBeGreaterThanOrEqual(0)
    expect(store.find(lanes(1), 0, HORIZON * 20)).toBe(-1)
    const again = await stored.load()
    expect(again.size).toBeLessThan(84_000 + 8_000)
    expect(again.find(lanes(id), 0, HORIZON * 20)).toBeGreaterThanOrEqual(0)
  })

  it('drops the buckets that are there, also after a jump of years', async () => {
    const store = made()
    const stored = new Stored()
    await stored.save(store)
    store.add(lanes(1), 0, 0, 0, 5)
    store.advance(5)
    await stored.save(store)
    store.add(lanes(2), 0, 0, 0, 1e12)
    store.advance(1e12)
    await stored.save(store)
    expect(stored.drops).toEqual([0, 0, 1])
  })
})
