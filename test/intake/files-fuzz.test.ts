/**
 * nothing-dropped-silently: spoiled files, more than 100,000 inputs, at least 1,000 per reason. Nothing crashes, every row
 * is accounted for, and each spoiled row gets the reason that it was spoiled for. A failure prints seed and reason.
 */
import type { FileHandle } from 'node:fs/promises'
import { describe, expect, it, test } from 'vitest'
import { CsvScanner } from '../../intake/files/csv.ts'
import type { ImportResult } from '../../intake/files/index.ts'
import { LineScanner } from '../../intake/files/lines.ts'
import { END, MORE } from '../../intake/files/row.ts'
import { Window } from '../../intake/files/window.ts'
import { seeded } from '../../intake/random.ts'
import { type DeadLetterReason, deadLetterReasons } from '../../schemas/reasons.ts'
import { openMemory } from '../../streams/memory/index.ts'
import { contentOf, directory, imported, run, type Seen, short, write } from './files-harness.ts'
import {
  brokenMapping,
  columns,
  csvMutators,
  csvOf,
  fieldMutators,
  goodRow,
  mappingNotes,
  mutateBytes,
  ndjsonMutators,
  ndjsonOf,
} from './files-mutators.ts'

const seed = 20_240_105
const perReason = 1000
let inputs = 0
const met = new Map<string, number>()

function account({ record }: ImportResult, seen: readonly Seen[]): void {
  const dead = record.unreadable.reduce((sum, { count }) => sum + count, 0)
  const skipped = record.skipped.reduce((sum, { count }) => sum + count, 0)
  expect(record.transactions + dead + skipped).toBe(record.rows)
  expect(seen.filter(({ type }) => type === 'transaction').length).toBe(record.transactions)
  const unreadable = seen.filter(({ type }) => type === 'unreadable')
  expect(unreadable.length).toBe(dead)
  for (const { value } of unreadable) {
    expect(deadLetterReasons).toHaveProperty([String(value.reason)])
    expect((value.raw as Uint8Array).length).toBeLessThanOrEqual(4096)
    expect(Number(value.line)).toBeGreaterThan(0)
  }
  for (const { reason, count } of record.unreadable) met.set(reason, (met.get(reason) ?? 0) + count)
  inputs += record.rows
}

type Spoil = [reason: DeadLetterReason, spoil: (index: number) => Uint8Array]

/**
 * Imports a file in which spoiled rows stand between good ones; each must become what it was made as, in its place.
 * Returns the first that did not, or 'all'.
 */
async function spoiled(
  name: string,
  head: string,
  good: (index: number) => string,
  [reason, spoil]: Spoil,
  count: number,
  more = {},
): Promise<string> {
  const random = seeded(seed)
  const pieces: Uint8Array[] = [Buffer.from(head)]
  const expected: string[] = []
  const first = head === '' ? 1 : 2
  for (let made = 0; made < count;) {
    const bad = random.chance(0.7)
    pieces.push(bad ? spoil(expected.length) : Buffer.from(good(expected.length)), Buffer.from('\n'))
    expected.push(bad ? `!${reason}@${expected.length + first}` : `T-${expected.length}`)
    if (bad) made++
  }
  // The last row is good, so that a row spoiled at its end cannot be taken for a file that was cut.
  pieces.push(Buffer.from(good(expected.length)), Buffer.from('\n'))
  expected.push(`T-${expected.length}`)
  const { result, seen } = await imported({ [name]: Buffer.concat(pieces) }, more)
  account(result, seen)
  const found = seen.filter(({ type }) => type !== 'tick').map(short)
  expect(found.length).toBe(expected.length)
  const wrong = found.findIndex((text, index) => text !== expected[index])
  return wrong < 0 ? 'all' : `seed ${seed}, row ${wrong} is ${found[wrong]}, made as ${expected[wrong]}`
}

const rowRandom = seeded(seed + 1)
const csvHead = `${columns.join(',')}\n`
const goodCsv = (index: number): string => csvOf(goodRow(rowRandom, index))
const goodNdjson = (index: number): string => ndjsonOf(goodRow(rowRandom, index))
const entries = <T>(table: Partial<Record<DeadLetterReason, T>>): [DeadLetterReason, T][] =>
  Object.entries(table) as [DeadLetterReason, T][]

describe('rows spoiled for a reason', () => {
  // A spoiled time gives the row its predecessor's place, so the order of the file stays. Large rows are fewer: 64 MiB.
  it.each(entries(fieldMutators))('%s, a field, in CSV and NDJSON', async (reason, mutate) => {
    const row = (index: number): ReturnType<typeof goodRow> => {
      const good = goodRow(rowRandom, index)
      return { ...good, ...mutate(rowRandom, good) }
    }
    expect(
      await spoiled('a.csv', csvHead, goodCsv, [reason, (index) => Buffer.from(csvOf(row(index)))], perReason),
    ).toBe('all')
    expect(
      await spoiled('a.ndjson', '', goodNdjson, [reason, (index) => Buffer.from(ndjsonOf(row(index)))], perReason),
    ).toBe('all')
  })

  it.each(entries(csvMutators))('%s, the bytes of a CSV line', async (reason, mutate) => {
    expect(
      await spoiled('a.csv', csvHead, goodCsv, [reason, (index) => mutate(rowRandom, goodCsv(index))], 3 * perReason),
    ).toBe('all')
  })

  it.each(entries(ndjsonMutators))('%s, the bytes of an NDJSON line', async (reason, mutate) => {
    expect(
      await spoiled(
        'a.ndjson',
        '',
        goodNdjson,
        [reason, (index) => mutate(rowRandom, goodNdjson(index))],
        3 * perReason,
      ),
    ).toBe('all')
  })

  it.each(entries(mappingNotes))('%s, by a mapping', async (reason, note) => {
    const head = csvHead.replace('\n', ',note\n')
    const spoil = (index: number): Uint8Array => Buffer.from(`${goodCsv(index)},${note(rowRandom)}`)
    expect(
      await spoiled('a.csv', head, (index) => `${goodCsv(index)},good:x`, [reason, spoil], 3 * perReason, {
        declare: brokenMapping,
      }),
    ).toBe('all')
  })

  it('row-cut: files that end in the middle of a row', async () => {
    const random = seeded(seed + 2)
    const dataDirectory = directory()
    for (let file = 0; file < perReason; file++) {
      const isCsv = random.chance(0.5)
      const rows = Array.from({ length: 1 + random.below(4) }, (_, index) =>
        isCsv ? goodCsv(index) : goodNdjson(index),
      )
      const last = rows[rows.length - 1]
      // In CSV before the last column, so that the row is surely not whole; not at its start, where there is no row.
      const at = 1 + random.below((isCsv ? last.lastIndexOf(',') : last.length) - 1)
      rows[rows.length - 1] = last.slice(0, at)
      const backend = openMemory()
      const text = (isCsv ? csvHead : '') + rows.join('\n')
      const result = await run(backend, write({ [isCsv ? 'a.csv' : 'a.ndjson']: text }, dataDirectory), {
        dataDirectory,
      })
      account(result, await contentOf(backend))
      expect(result.record.unreadable, `seed ${seed + 2}, file ${file}`).toEqual([{ reason: 'row-cut', count: 1 }])
    }
  })

  it('row-too-long: 1,000 rows of 1 MiB and more, from a file that nobody has to store', async () => {
    for (const format of ['csv', 'ndjson']) {
      const random = seeded(seed + 3)
      const size = (perReason + 1) * 1_100_000
      const ends = new Set<number>()
      for (let at = 0; at < size; at += (1 << 20) + 2 + random.below(40_000)) ends.add(at)
      const rows = ends.size - 1
      const sorted = [...ends].toSorted((a, b) => a - b)
      const total = sorted[rows] + 1
      let next = 0
      const endless = {
        read: (bytes: Uint8Array, offset: number, length: number, position: number) => {
          bytes.fill(120, offset, offset + length)
          while (next < sorted.length && sorted[next] < position + length)
            bytes[offset + sorted[next++] - position] = 10
          return Promise.resolve({ bytesRead: length })
        },
      } as unknown as FileHandle
      const window = new Window(endless, 'endless', total, 1 << 20, null)
      const dialect = { delimiter: ',', quote: '"', targets: [0, 1], slots: 2 }
      const scanner = format === 'csv' ? new CsvScanner(window, dialect, 1) : new LineScanner(window, 1)
      const found: string[] = []
      for (let step = scanner.next(); step !== END; step = scanner.next()) {
        if (step === MORE) await window.fill()
        else found.push(`${scanner.row.line} ${scanner.row.problem}`)
      }
      expect(found).toEqual(Array.from({ length: rows }, (_, index) => `${index + 2} row-too-long`))
      expect(window.bytes.length).toBeLessThanOrEqual(4 << 20)
      met.set('row-too-long', (met.get('row-too-long') ?? 0) + found.length)
      inputs += found.length
    }
  }, 600_000)
})

describe('bytes changed anywhere', () => {
  it.each([
    ['csv', 60],
    ['ndjson', 60],
  ] as const)('%s', async (format, files) => {
    const dataDirectory = directory()
    for (let file = 0; file < files; file++) {
      const random = seeded(seed + 1000 + file)
      const rows = Array.from({ length: 500 }, (_, index) => (format === 'csv' ? goodCsv(index) : goodNdjson(index)))
      const body = mutateBytes(random, Buffer.from(`${rows.join('\n')}\n`), 1 + random.below(400))
      const bytes = format === 'csv' ? Buffer.concat([Buffer.from(csvHead), body]) : body
      const backend = openMemory()
      const result = await run(backend, write({ [`a.${format}`]: bytes }, dataDirectory), { dataDirectory })
      account(result, await contentOf(backend))
      // A changed byte costs a row or two, never the rest of the file.
      expect(result.record.transactions, `seed ${seed + 1000 + file}`).toBeGreaterThan(20)
    }
  })
})

test('at least 100,000 inputs, at least 1,000 per reason of a file', () => {
  expect(inputs).toBeGreaterThanOrEqual(100_000)
  // These come from records of a log, not from files.
  const others = new Set<string>([
    'undecodable',
    'unknown-schema',
    'unexpected-record',
    'invalid-control',
    'misrouted-key',
    'misrouted-partition',
  ])
  const rare = Object.keys(deadLetterReasons).filter(
    (reason) => !others.has(reason) && (met.get(reason) ?? 0) < perReason,
  )
  expect(rare).toEqual([])
})
