/** What every log promises: B1 to B4, offsets, retention, waiting reads. */
import { expect, it } from 'vitest'
import type { Log, TopicPartition, Writer } from '../../streams/backend.ts'
import { FencedError, OffsetGoneError } from '../../streams/errors.ts'
import { batches, batchOf, recordsOf } from './batches.ts'
import { expectThere, MEGABYTE, readAll, valuesOf } from './reading.ts'
import type { Tools } from './suite.ts'

export function logRules({ subject, fresh, gaps, needs }: Tools): void {
  const log = (): Log => subject().backend.log

  /** The records as a log without gaps numbers them, from `first` on; offsets ascend in any case. */
  function numbered(records: { offset: number; value: string }[], first = 0): { offset: number; value: string }[] {
    if (!gaps) return records
    for (const [index, { offset }] of records.entries()) {
      expect(offset).toBeGreaterThan(index === 0 ? first - 1 : records[index - 1].offset)
    }
    return records.map(({ value }, index) => ({ offset: first + index, value }))
  }

  /** Where a partition ends: `end`, or behind it where there are gaps. Returns where. */
  async function expectEnd(at: TopicPartition, end: number): Promise<number> {
    const bounds = await log().bounds(at)
    expect({ ...bounds, end: gaps ? Math.min(bounds.end, end) : bounds.end }).toEqual({ start: 0, end })
    return bounds.end
  }

  async function topic(partitions = 2): Promise<string> {
    const name = fresh('topic')
    await log().createTopics([{ name, partitions }])
    return name
  }

  const put = (writer: Writer, at: TopicPartition, position: number, ...values: string[]): Promise<void> => {
    return writer.commit({ appends: [{ ...at, batches: batchOf(...values) }], position, metadata: `at ${position}` })
  }

  it('makes topics once, refuses another number of partitions, and gives each an identity', async () => {
    const name = await topic(3)
    const id = await log().topicId(name)
    await log().createTopics([{ name, partitions: 3 }])
    expect(await log().topicId(name)).toBe(id)
    expect(await log().partitions(name)).toBe(3)
    await expect(
      log().createTopics([
        { name: fresh('topic'), partitions: 1 },
        { name, partitions: 4 },
      ]),
    ).rejects.toMatchObject({
      code: 'SLUICE_TOPIC_PARTITIONS',
    })
    await expect(log().partitions('no-such-topic')).rejects.toMatchObject({ code: 'SLUICE_TOPIC_UNKNOWN' })
    await expect(log().bounds({ topic: name, partition: 3 })).rejects.toMatchObject({ code: 'SLUICE_TOPIC_UNKNOWN' })
    expect(await log().topicId(await topic())).not.toBe(id)
  })

  it('gives records ascending offsets from 0, whatever batches and commits they came in', async () => {
    const at = { topic: await topic(), partition: 0 }
    const writer = await log().writer(fresh('writer'))
    await writer.commit({
      appends: [
        { ...at, batches: batches(batchOf('a', 'b'), batchOf('c')) },
        { ...at, batches: batchOf('d') },
      ],
      position: 1,
      metadata: '',
    })
    await put(writer, at, 2, 'e', 'f')
    const records = await readAll(log(), at)
    expect(numbered(records)).toEqual(['a', 'b', 'c', 'd', 'e', 'f'].map((value, offset) => ({ offset, value })))
    expect(records[0].offset).toBe(0)
    await expectEnd(at, 6)
    expect(await log().bounds({ ...at, partition: 1 })).toEqual({ start: 0, end: 0 })
  })

  it('takes the same bytes for several partitions and leaves them as they were', async () => {
    const name = await topic()
    const writer = await log().writer(fresh('writer'))
    const shared = batchOf('tick')
    const before = shared.slice()
    await put(writer, { topic: name, partition: 0 }, 1, 'x')
    await writer.commit({
      appends: [0, 1].map((partition) => ({ topic: name, partition, batches: shared })),
      position: 2,
      metadata: '',
    })
    expect(shared).toEqual(before)
    expect(numbered(await readAll(log(), { topic: name, partition: 0 }))).toEqual([
      { offset: 0, value: 'x' },
      { offset: 1, value: 'tick' },
    ])
    expect(await readAll(log(), { topic: name, partition: 1 })).toEqual([{ offset: 0, value: 'tick' }])
  })

  it('B3: reads whole batches, the same bytes every time, from any offset and with any size', async () => {
    const at = { topic: await topic(), partition: 1 }
    const writer = await log().writer(fresh('writer'))
    const values = Array.from({ length: 40 }, (_, index) => `${index}`.padEnd(1 + ((index * 37) % 90), '.'))
    for (let index = 0; index < values.length; index += 4) {
      const [a, b, c, d] = values.slice(index, index + 4)
      await writer.commit({
        appends: [{ ...at, batches: batches(batchOf(a, b, c), batchOf(d)) }],
        position: index,
        metadata: '',
      })
    }
    const first = await log().read(at, 0, MEGABYTE, 0)
    const copy = first.bytes.slice()
    const end = await expectEnd(at, values.length)
    const offsets = (await readAll(log(), at)).map(({ offset }) => offset)
    for (const [index, offset] of [...offsets, end].entries()) {
      for (const size of [1, 300, MEGABYTE]) {
        expect(valuesOf(await readAll(log(), at, offset, size))).toEqual(values.slice(index))
      }
      const small = await log().read(at, offset, 1, 0)
      expect(small.endOffset).toBe(end)
      expect(recordsOf(small.bytes).length).toBeLessThanOrEqual(4)
    }
    expect((await log().read(at, 0, MEGABYTE, 0)).bytes).toEqual(copy)
    // What was handed out stays as it was, whatever is read or written afterwards.
    await put(writer, at, 100, 'later')
    expect(first.bytes).toEqual(copy)
  })

  it('keeps what it was given even when the caller changes its arrays afterwards', async () => {
    const at = { topic: await topic(), partition: 0 }
    const writer = await log().writer(fresh('writer'))
    const bytes = batchOf('kept')
    await writer.commit({ appends: [{ ...at, batches: bytes }], position: 1, metadata: '' })
    bytes.fill(0)
    const given = await log().read(at, 0, MEGABYTE, 0)
    expect(valuesOf(recordsOf(given.bytes))).toEqual(['kept'])
    given.bytes.fill(0)
    expect(valuesOf(await readAll(log(), at))).toEqual(['kept'])
  })

  it('takes large batches and gives them back', async () => {
    const at = { topic: await topic(), partition: 0 }
    const writer = await log().writer(fresh('writer'))
    const large = Array.from({ length: 5 }, (_, index) => String(index).repeat(900_000))
    await writer.commit({
      appends: [{ ...at, batches: batches(...large.map((value) => batchOf(value))) }],
      position: 1,
      metadata: '',
    })
    await put(writer, at, 2, 'small')
    expect(valuesOf(await readAll(log(), at)).map((value) => `${value[0]} ${value.length}`)).toEqual([
      ...large.map((value) => `${value[0]} ${value.length}`),
      's 5',
    ])
  })

  it('B4: a new writer is told what was committed last: nothing, then position and metadata', async () => {
    const id = fresh('writer')
    const at = { topic: await topic(), partition: 0 }
    const first = await log().writer(id)
    expect(first.committed).toBeNull()
    expect(await log().peek(id)).toBeNull()
    expect((await log().writer(id)).committed).toBeNull()
    const second = await log().writer(id)
    const metadata = 'm'.repeat(4096)
    await second.commit({ appends: [{ ...at, batches: batchOf('a') }], position: 7, metadata })
    await second.commit({ appends: [], position: 9, metadata })
    expect((await log().writer(id)).committed).toEqual({ position: 9, metadata })
    expect((await log().writer(fresh('writer'))).committed).toBeNull()
    const intake = await log().writer(fresh('writer'))
    await intake.commit({ appends: [], position: -1, metadata: 'file 1' })
    expect((await log().writer(intake.id)).committed).toEqual({ position: -1, metadata: 'file 1' })
  })

  it('B1: a fenced writer changes nothing, and is told that it is fenced', async () => {
    const id = fresh('writer')
    const at = { topic: await topic(), partition: 0 }
    const old = await log().writer(id)
    await put(old, at, 1, 'a')
    const next = await log().writer(id)
    await expect(put(old, at, 2, 'zombie')).rejects.toBeInstanceOf(FencedError)
    await put(next, at, 2, 'b')
    await expect(put(old, at, 3, 'zombie')).rejects.toBeInstanceOf(FencedError)
    expect(valuesOf(await readAll(log(), at))).toEqual(['a', 'b'])
    expect((await log().writer(id)).committed).toEqual({ position: 2, metadata: 'at 2' })
  })

  it('B1: a commit that meets a fence is either before it, and known to the new writer, or has no effect', async () => {
    const id = fresh('writer')
    const at = { topic: await topic(), partition: 0 }
    for (let round = 1; round <= 30; round++) {
      const writer = await log().writer(id)
      const outcome = put(writer, at, round, `${round}`).then(
        () => true,
        () => false,
      )
      const next = await log().writer(id)
      const took = await outcome
      const known = next.committed?.position === round
      // Acknowledged, then known; unacknowledged it may be either, and the log agrees with what was told.
      expect(took && !known).toBe(false)
      expect(valuesOf(await readAll(log(), at)).includes(`${round}`)).toBe(known)
    }
  })

  it('B2: what is committed together is seen together', async () => {
    const name = await topic(3)
    const writer = await log().writer(fresh('writer'))
    const commits = 60
    const reading = (async () => {
      for (let [offset, seen] = [0, 0]; seen < commits;) {
        const { bytes, nextOffset } = await log().read({ topic: name, partition: 0 }, offset, 1, 2_000)
        expect(bytes.length).toBeGreaterThan(0)
        seen += recordsOf(bytes).length
        for (const partition of [1, 2]) await expectThere(log(), { topic: name, partition }, seen, gaps ? 10_000 : 0)
        offset = nextOffset
      }
    })()
    for (let n = 0; n < commits; n++) {
      const appends = [2, 0, 1].map((partition) => ({ topic: name, partition, batches: batchOf(`${n}`) }))
      await writer.commit({ appends, position: n, metadata: '' })
    }
    await reading
  })

  it('takes overlapping commits in call order', async () => {
    const at = { topic: await topic(), partition: 0 }
    const writer = await log().writer(fresh('writer'))
    expect(writer.maxInFlight).toBeGreaterThanOrEqual(1)
    const flying: Promise<void>[] = []
    const values = Array.from({ length: 50 }, (_, index) => `${index}`)
    for (const [index, value] of values.entries()) {
      if (flying.length >= writer.maxInFlight) await flying.shift()
      flying.push(put(writer, at, index, value))
    }
    await Promise.all(flying)
    expect(valuesOf(await readAll(log(), at))).toEqual(values)
  })

  it('keeps two writers apart: each in its own order, each with its own position', async () => {
    const at = { topic: await topic(), partition: 0 }
    const writers = [await log().writer(fresh('writer')), await log().writer(fresh('writer'))]
    await Promise.all(
      writers.map(async (writer, which) => {
        for (let n = 0; n < 25; n++) await put(writer, at, n, `${which}:${n}`)
      }),
    )
    const values = valuesOf(await readAll(log(), at))
    expect(values.length).toBe(50)
    for (const which of [0, 1]) {
      expect(values.filter((value) => value.startsWith(`${which}:`))).toEqual(
        Array.from({ length: 25 }, (_, n) => `${which}:${n}`),
      )
      expect((await log().writer(writers[which].id)).committed?.position).toBe(24)
    }
  })

  it('refuses a commit whole, and whatever the writer has sent behind it', async () => {
    const at = { topic: await topic(), partition: 0 }
    const other = { topic: at.topic, partition: 1 }
    const cut = batchOf('cut').subarray(0, 50)
    const good = { ...at, batches: batchOf('a') }
    const nowhere = { topic: 'no-such-topic', partition: 0, batches: batchOf('b') }
    const cutShort = { ...other, batches: cut }
    const tooLong = 'm'.repeat(4097)
    const refused: [string, Parameters<Writer['commit']>[0], string][] = [
      ['an unknown topic', { appends: [good, nowhere], position: 5, metadata: '' }, 'SLUICE_TOPIC_UNKNOWN'],
      ['a cut batch', { appends: [good, cutShort], position: 5, metadata: '' }, 'record batches: cut batch'],
      ['metadata that is too long', { appends: [good], position: 5, metadata: tooLong }, '4097 characters'],
      ['a position that falls', { appends: [good], position: 0, metadata: '' }, 'position falls from 1 to 0'],
    ]
    for (const [what, commit, reason] of refused) {
      const writer = await log().writer(fresh('writer'))
      await writer.commit({ appends: [], position: 1, metadata: 'before' })
      const { end } = await log().bounds(at)
      const sent = [writer.commit(commit), put(writer, at, 6, 'behind')]
      const outcomes = await Promise.allSettled(sent)
      const later = await Promise.allSettled([put(writer, at, 7, 'later')])
      const messages = [...outcomes, ...later].map((outcome) => {
        return outcome.status === 'fulfilled' ? 'done' : String(outcome.reason)
      })
      const after = { bounds: await log().bounds(at), committed: (await log().writer(writer.id)).committed }
      const unchanged = { bounds: { start: 0, end }, committed: { position: 1, metadata: 'before' } }
      expect({ what, messages, after }).toEqual({
        what,
        messages: [
          expect.stringContaining(reason),
          expect.stringContaining('SLUICE_WRITER_BROKEN'),
          expect.stringContaining('SLUICE_WRITER_BROKEN'),
        ],
        after: unchanged,
      })
    }
  })

  it('lets nobody commit through a closed writer', async () => {
    const at = { topic: await topic(), partition: 0 }
    const writer = await log().writer(fresh('writer'))
    await writer.close()
    await expect(put(writer, at, 1, 'a')).rejects.toThrow('SLUICE_WRITER_BROKEN')
    expect((await log().bounds(at)).end).toBe(0)
  })

  it('says a position is proven only when it is committed, at the latest with the next commit', async () => {
    const writer = await log().writer(fresh('writer'))
    expect(writer.proven).toBe(0)
    for (let position = 1; position < 10; position++) {
      await writer.commit({ appends: [], position, metadata: '' })
      expect(writer.proven).toBeLessThanOrEqual(position)
      expect(writer.proven).toBeGreaterThanOrEqual(position - 1)
    }
    expect((await log().writer(writer.id)).proven).toBe(9)
  })

  it('says that an offset is gone, or not there yet by more than nothing', async () => {
    const at = { topic: await topic(), partition: 0 }
    await put(await log().writer(fresh('writer')), at, 1, 'a', 'b')
    const end = await expectEnd(at, 2)
    for (const offset of [2, end]) {
      const nothing = { bytes: new Uint8Array(0), nextOffset: end, endOffset: end }
      expect(await log().read(at, offset, 1, 0)).toEqual(nothing)
    }
    for (const offset of [-1, end + 1, 1000]) {
      await expect(log().read(at, offset, 1, 0)).rejects.toMatchObject({ code: 'SLUICE_OFFSET_GONE', start: 0, end })
    }
    await expect(log().read(at, end + 1, 1, 0)).rejects.toBeInstanceOf(OffsetGoneError)
  })

  it('waits for a commit as long as it is asked to', async () => {
    const name = await topic()
    const at = { topic: name, partition: 0 }
    const writer = await log().writer(fresh('writer'))
    const waiting = [log().read(at, 0, 1, 60_000), log().read(at, 0, 1, 60_000)]
    await put(writer, { topic: name, partition: 1 }, 1, 'elsewhere')
    await put(writer, at, 2, 'here')
    for (const { bytes, nextOffset } of await Promise.all(waiting)) {
      expect(recordsOf(bytes)).toEqual([{ offset: 0, value: 'here' }])
      expect(nextOffset).toBe(1)
    }
    const end = await expectEnd(at, 1)
    const nothing = await log().read(at, end, 1, 30)
    expect(nothing).toEqual({ bytes: new Uint8Array(0), nextOffset: end, endOffset: end })
  })

  needs('trim', 'forgets records by retention, and says from where on it has them', async () => {
    const at = { topic: await topic(), partition: 0 }
    const writer = await log().writer(fresh('writer'))
    for (let n = 0; n < 10; n++) await put(writer, at, n, `${n}a`, `${n}b`)
    // Whole batches only: 7 lies in the middle of one.
    expect(await subject().trim!(at, 7)).toBe(6)
    expect(await log().bounds(at)).toEqual({ start: 6, end: 20 })
    await expect(log().read(at, 5, 1, 0)).rejects.toMatchObject({ code: 'SLUICE_OFFSET_GONE', start: 6, end: 20 })
    expect((await readAll(log(), at, 7)).length).toBe(13)
    expect(await subject().trim!(at, 20)).toBe(20)
    expect(await log().bounds(at)).toEqual({ start: 20, end: 20 })
    await put(writer, at, 10, 'after')
    expect(await readAll(log(), at, 20)).toEqual([{ offset: 20, value: 'after' }])
  })

  needs('reopen', 'keeps log, positions, identities and the effects of retention when it is opened again', async () => {
    const name = fresh('überweisungen')
    await log().createTopics([{ name, partitions: 2 }])
    const [kept, emptied] = [
      { topic: name, partition: 0 },
      { topic: name, partition: 1 },
    ]
    const writer = await log().writer(fresh('übernahme'))
    await put(writer, kept, 1, 'a', 'b')
    await put(writer, emptied, 2, 'c', 'd')
    if (subject().trim !== undefined) await subject().trim!(emptied, 2)
    const [id, bounds] = [await log().topicId(name), await log().bounds(emptied)]
    subject().backend = await subject().reopen!()
    expect(await log().topicId(name)).toBe(id)
    expect(await log().bounds(emptied)).toEqual(bounds)
    expect(valuesOf(await readAll(log(), kept))).toEqual(['a', 'b'])
    await expect(put(writer, kept, 3, 'from before')).rejects.toThrow('SLUICE_')
    const again = await log().writer(writer.id)
    expect(again.committed).toEqual({ position: 2, metadata: 'at 2' })
    await put(again, emptied, 3, 'e')
    expect(numbered(await readAll(log(), emptied, 2), 2).at(-1)).toEqual({ offset: 2, value: 'e' })
  })
}
