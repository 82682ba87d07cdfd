/** Keyed windows against a model that keeps every window: boundaries of grace, disorder, restarts, cold keys. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TaskState } from '../../streams/backend.ts'
import { Batch, type Frame } from '../../streams/batch.ts'
import { newFrame } from '../../streams/records.ts'
import { DeltaBuilder } from '../../streams/store.ts'
import { WindowStore, type EventWindow } from '../../streams/windows.ts'
import { NaiveWindows } from '../model/windows.ts'

interface Row {
  readonly key: string
  readonly time: number
  readonly amount: number
}

/** Rows as the reader leaves them: keys as text, times and amounts as numbers, stream time beside. */
function frameOf(rows: readonly Row[], before: number): Frame {
  const frame = newFrame(rows.length)
  frame.rows = rows.length
  const bytes = Buffer.from(rows.map(({ key }) => key).join(''))
  const text = { bytes, offsets: new Int32Array(rows.length), lengths: new Int32Array(rows.length) }
  const [time, amount] = [new Float64Array(rows.length), new Float64Array(rows.length)]
  let [at, streamTime] = [0, before]
  rows.forEach((row, i) => {
    text.offsets[i] = at
    text.lengths[i] = row.key.length
    at += row.key.length
    time[i] = row.time
    amount[i] = row.amount
    frame.streamTime[i] = streamTime = Math.max(streamTime, row.time)
  })
  frame.columns.set('key', { kind: 'text', ...text })
  frame.columns.set('time', { kind: 'number', values: time })
  frame.columns.set('amount', { kind: 'number', values: amount })
  return frame
}

/** A store on its own, as a task would run it; `restart` keeps nothing but what deltas have written. */
class Driven {
  private readonly windows: readonly EventWindow[]
  private readonly stored = new Map<string, Uint8Array>()
  private store: WindowStore
  private streamTime = 0

  constructor(windows: readonly EventWindow[]) {
    this.windows = windows
    this.store = this.make()
  }

  private make(): WindowStore {
    const store = new WindowStore('windows', { key: 'key', time: 'time', windows: this.windows })
    void store.load({ header: this.stored.size === 0 ? null : {} } as TaskState)
    return store
  }

  step(rows: readonly Row[]): (number | null)[][] {
    const frame = frameOf(rows, this.streamTime)
    const { store } = this
    const missing = store.missing(frame, 0, rows.length)
    missing?.absorb(missing.keys.map(({ key }) => this.stored.get(Buffer.from(key).toString())))
    store.feed(new Batch(frame, Int32Array.from(rows.keys()), rows.length))
    this.streamTime = frame.streamTime[rows.length - 1]
    store.advance(this.streamTime)
    const columns = this.windows.map(({ name }) => frame.columns.get(name))
    return rows.map((_, i) => {
      return columns.map((column) => (column?.kind === 'number' && column.values[i] >= 0 ? column.values[i] : null))
    })
  }

  restart(): void {
    const delta = new DeltaBuilder(1)
    this.store.save(delta)
    for (const { key, value } of delta.puts) this.stored.set(Buffer.from(key).toString(), value.slice())
    this.store = this.make()
  }
}

const tumbling = { name: 'tumbling', sizeMs: 60, advanceMs: 60, graceMs: 25 }
const hopping = { name: 'hopping', sizeMs: 120, advanceMs: 20, graceMs: 25, sum: 'amount' }
const strict = { name: 'strict', sizeMs: 30, advanceMs: 10, graceMs: 0, sum: 'amount' }

describe('windows', () => {
  it('holds what a map of every window holds, whatever the steps, the disorder and the restarts', () => {
    const row = fc.record({
      key: fc.constantFrom('a', 'bb', 'ccc'),
      ahead: fc.integer({ min: -150, max: 40 }),
      amount: fc.integer({ min: 1, max: 50 }),
    })
    const step = fc.record({ rows: fc.array(row, { minLength: 1, maxLength: 12 }), restarts: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 20 }), (steps) => {
        const all = [tumbling, hopping, strict]
        const driven = new Driven(all)
        const naive = all.map((window) => new NaiveWindows(window))
        let latest = 100
        for (const { rows: drawn, restarts } of steps) {
          const rows = drawn.map(({ key, ahead, amount }) => {
            const time = Math.max(0, latest + ahead)
            latest = Math.max(latest, time)
            return { key, time, amount }
          })
          const expected = rows.map(({ key, time, amount }) =>
            all.map(({ sum }: EventWindow, w) => naive[w].add(key, time, sum === undefined ? 1 : amount)),
          )
          expect(driven.step(rows)).toEqual(expected)
          if (restarts) driven.restart()
        }
      }),
      { numRuns: 400 },
    )
  })

  it('admits a row while the end of its window is past stream time less grace, and not when it is there', () => {
    const driven = new Driven([tumbling])
    const at = (time: number): number | null => driven.step([{ key: 'a', time, amount: 1 }])[0][0]
    // Window [0, 60) with 25 of grace: open up to a stream time of 84, closed at 85.
    expect([at(10), at(84), at(59), at(85), at(59), at(60)]).toEqual([1, 1, 2, 2, null, 3])
  })

  it('sees the earliest window that is still open, and with it what came after the row', () => {
    const driven = new Driven([strict])
    const at = (time: number): number | null => driven.step([{ key: 'a', time, amount: 1 }])[0][0]
    // At stream time 45 the windows that begin at 0 and 10 are closed: [20, 50) holds 45 and 25.
    expect([at(25), at(45), at(25)]).toEqual([1, 2, 3])
  })

  it('keeps every pane that is open, more than the ring began with', () => {
    const driven = new Driven([{ ...tumbling, graceMs: 6_000 }])
    const rows = Array.from({ length: 100 }, (_, i) => ({ key: 'a', time: i * 60, amount: 1 }))
    driven.step(rows)
    expect(driven.step(rows).flat()).toEqual(rows.map(() => 2))
  })
})
