/** The order of an import, its ticks, what is refused, and what a second start does. */
import { Readable } from 'node:stream'
import { describe, expect, it, test } from 'vitest'
import type { ImportOptions } from '../../intake/files/index.ts'
import { ImportRefused, readImports, readPosition } from '../../intake/files/index.ts'
import type { Pass } from '../../intake/files/first-pass.ts'
import { inputFile } from '../../intake/files/rows.ts'
import { sortFile } from '../../intake/files/sort.ts'
import { skip } from '../../intake/mapping.ts'
import { openMemory } from '../../streams/memory/index.ts'
import {
  contentOf,
  directory,
  header,
  imported,
  line,
  logBytes,
  run,
  settings,
  short,
  single,
  write,
} from './files-harness.ts'

const file = (...rows: string[]): string => `${header}\n${rows.map((row) => `${row}\n`).join('')}`
/** A row per word 'id@mm:ss'; '?' for a row without a time. */
const timed = (words: string): string =>
  file(
    ...words.split(' ').map((word) => {
      const [id, at] = word.split('@')
      return line(id, at === '?' ? '' : `2024-01-05T12:${at}Z`)
    }),
  )

const tickEvery = (rows: number): Partial<ImportOptions> => ({ settings: { ...single, runTickRows: rows } })

// oxfmt-ignore
const orders: [what: string, files: Record<string, string>, order: string][] = [
  ['a file within grace stands as it stands', { 'a.csv': timed('a@00:30 b@00:00 c@00:40 d@00:10') }, 'a b c d tick 12:00:40 closes 12:05:00'],
  ['a file beyond grace is sorted', { 'a.csv': timed('a@00:31 b@00:00 c@00:40 d@00:10') }, 'b d a c tick 12:00:40 closes 12:05:00'],
  ['newest first is sorted', { 'a.csv': timed('d@09:00 c@06:00 b@03:00 a@00:00') }, 'a b c d tick 12:09:00 closes 12:10:00'],
  ['equal times keep the order of the file', { 'a.csv': timed('z@09:00 a@03:00 b@03:00 c@03:00 d@00:00') }, 'd a b c z tick 12:09:00 closes 12:10:00'],
  ['a row without a time keeps its predecessor\'s', { 'a.csv': timed('d@09:00 x@? c@06:00 y@? b@03:00') }, 'b c !unreadable-time@5 d !unreadable-time@3 tick 12:09:00 closes 12:10:00'],
  ['rows without a time in front come first', { 'a.csv': timed('x@? d@09:00 c@06:00') }, '!unreadable-time@2 c d tick 12:09:00 closes 12:10:00'],
  ['files are merged by time, then by file', { 'a.csv': timed('a1@01:00 a2@03:00 a3@05:00'), 'b.csv': timed('b1@01:00 b2@02:00 b3@06:00') }, 'a1 b1 b2 a2 a3 b3 tick 12:06:00 closes 12:10:00'],
  ['of a file within grace the running maximum counts', { 'a.csv': timed('a1@01:00 a2@00:50 a3@01:10'), 'b.csv': timed('b1@00:55 b2@01:00 b3@01:05') }, 'b1 a1 a2 b2 b3 a3 tick 12:01:10 closes 12:05:00'],
  ['a sorted file and one that need not be', { 'a.csv': timed('a3@09:00 a2@06:00 a1@03:00'), 'b.csv': timed('b1@04:00 b2@08:00') }, 'a1 b1 a2 b2 a3 tick 12:09:00 closes 12:10:00'],
  ['no row with a time', { 'a.csv': timed('x@?') }, '!unreadable-time@2 tick 00:00:00'],
  ['no row at all', { 'a.csv': `${header}\n` }, 'tick 00:00:00'],
  ['an empty file', { 'a.csv': '' }, 'tick 00:00:00'],
  ['the end of a cycle belongs to the next', { 'a.csv': timed('a@05:00') }, 'a tick 12:05:00 closes 12:10:00'],
]

describe('the order', () => {
  test.each(orders)('%s', async (_what, files, order) => {
    const { seen } = await imported(files)
    expect(seen.map(short).join(' ')).toBe(order)
  })

  it('is merged from many files, opened when their time comes', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [
        `${i}.csv`,
        timed(`f${i}a@${String(i).padStart(2, '0')}:00 f${i}b@${String((i * 7) % 40).padStart(2, '0')}:30`),
      ]),
    )
    const { seen } = await imported(files)
    const times = seen.filter(({ type }) => type === 'transaction').map(({ value }) => Number(value.occurredAt))
    expect(times.length).toBe(80)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
  })
})

describe('ticks', () => {
  it('come after every so many rows, readable or not, skipped or not, with the largest time so far', async () => {
    const { seen } = await imported(
      { 'a.csv': timed('a@00:10 b@00:05 x@? s@00:20 c@00:30 d@00:40 e@00:35') },
      {
        ...tickEvery(2),
        declare: {
          name: 'm',
          map: (row, tools) =>
            row.transactionId === 's'
              ? skip('left out')
              : ({ ...row, occurredAt: tools.instant(row.occurredAt) } as never),
        },
      },
    )
    expect(seen.map(short).join(', ')).toBe(
      'a, b, tick 12:00:10, !unreadable-time@4, tick 12:00:10, c, d, tick 12:00:40, e, tick 12:00:40 closes 12:05:00',
    )
  })

  it('go into every partition; unreadable rows go to their ordinal', async () => {
    const text = file(
      ...Array.from({ length: 12 }, (_, i) =>
        line(`t${i}`, i % 2 === 0 ? `2024-01-05T12:00:${10 + i}Z` : '', `A-${i}`),
      ),
    )
    const { seen } = await imported({ 'a.csv': text }, { settings: { ...settings, partitions: 3, runTickRows: 6 } })
    for (const partition of [0, 1, 2]) {
      const here = seen.filter((record) => record.partition === partition)
      expect(here.filter(({ type }) => type === 'tick').map(short)).toEqual([
        'tick 12:00:14',
        'tick 12:00:20',
        'tick 12:00:20 closes 12:05:00',
      ])
      const lines = here.filter(({ type }) => type === 'unreadable').map(({ value }) => Number(value.line))
      expect(lines.every((number) => (number - 2) % 3 === partition)).toBe(true)
    }
    expect(seen.filter(({ type }) => type === 'unreadable').length).toBe(6)
  })

  it('of times that cannot be: dead letters that move nothing', async () => {
    const { seen, result } = await imported({
      'a.csv': file(
        line('a', '2024-01-05T12:00:00Z'),
        line('b', '2124-01-05T12:00:00Z'),
        line('c', '1970-01-05T12:00:00Z'),
      ),
    })
    expect(seen.map(short).join(' ')).toBe('a !time-too-late@3 !time-too-early@4 tick 12:00:00 closes 12:05:00')
    expect(result.record.files[0].sorted).toBe(false)
  })
})

describe('a second import', () => {
  const first = timed('a@00:00 b@01:00')

  it('of the same content appends nothing and says so', async () => {
    const backend = openMemory()
    const done = await run(backend, write({ 'a.csv': first }))
    const before = await logBytes(backend)
    const again = await run(backend, write({ 'renamed.csv': first }))
    expect(again).toEqual({ status: 'already', record: done.record })
    expect(await logBytes(backend)).toBe(before)
    expect((await readImports(backend.log)).map(({ state }) => state)).toEqual(['BEGUN', 'FINISHED'])
  })

  it('of tomorrow goes into the same log, and leaves its own record', async () => {
    const backend = openMemory()
    await run(backend, write({ 'a.csv': first }))
    const next = await run(backend, write({ 'b.csv': timed('c@05:00 d@06:00') }))
    expect(next.status).toBe('imported')
    expect((await contentOf(backend)).map(short).join(' ')).toBe(
      'a b tick 12:01:00 closes 12:05:00 c d tick 12:06:00 closes 12:10:00',
    )
    expect((await backend.log.peek('import'))?.position).toBe(4)
  })

  it.each([
    [
      'the same name with other content',
      { 'a.csv': timed('c@05:00') },
      'SLUICE_IMPORT_NAME_TAKEN',
      /a\.csv is in an earlier import already/,
    ],
    [
      'the same content beside another file',
      { 'x.csv': first, 'y.csv': timed('c@05:00') },
      'SLUICE_IMPORT_ALREADY_IN',
      /x\.csv is in an earlier import already, as a\.csv/,
    ],
    [
      'rows older than the log',
      { 'b.csv': timed('c@04:59 d@05:00 e@04:58') },
      'SLUICE_IMPORT_TOO_OLD',
      /2 rows are older .* the first in b\.csv.*--late/,
    ],
  ])('with %s is refused', async (_what, files, code, message) => {
    const backend = openMemory()
    await run(backend, write({ 'a.csv': first }))
    const before = await logBytes(backend)
    const refused = await run(backend, write(files)).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(ImportRefused)
    expect(refused).toMatchObject({ code, message: expect.stringMatching(message) })
    expect(await logBytes(backend)).toBe(before)
    expect((await readImports(backend.log)).length).toBe(2)
  })

  it('that is late is taken when asked for, and its last tick closes the oldest open cycle', async () => {
    const backend = openMemory()
    await run(backend, write({ 'a.csv': first }))
    const { record } = await run(backend, write({ 'b.csv': timed('c@04:00') }), { late: true })
    expect(record).toMatchObject({
      lateRows: 1,
      closedThrough: Date.UTC(2024, 0, 5, 12, 5),
      closeThrough: Date.UTC(2024, 0, 5, 12, 10),
    })
    expect((await contentOf(backend)).map(short).slice(-2).join(' ')).toBe('c tick 12:04:00 closes 12:10:00')
  })

  it('older than the clock that the caller knows is refused', async () => {
    const closedThrough = Date.UTC(2024, 0, 5, 13)
    await expect(imported({ 'a.csv': first }, { closedThrough })).rejects.toMatchObject({
      code: 'SLUICE_IMPORT_TOO_OLD',
      count: 2,
    })
  })
})

describe('an import that was interrupted', () => {
  const rows = Array.from(
    { length: 95 },
    (_, i) => `r${i}@${String(Math.floor(i / 2)).padStart(2, '0')}:${i % 2 === 0 ? '30' : '10'}`,
  )
  const files = {
    'a.csv': timed(rows.join(' ')),
    'b.csv': timed(rows.toReversed().join(' ').replaceAll('r', 'q')),
    'c.csv': timed('x@? y@10:00 z@20:00'),
  }
  const options = { commitRows: 10, settings: { ...settings, partitions: 3, runTickRows: 7 } }

  it('goes on after a crash at every step, with the same log', async () => {
    const whole = openMemory()
    await run(whole, write(files), options)
    const expected = await logBytes(whole)
    const paths = write(files)
    const landed = new Map<string, number>()
    for (let crashAt = 1; ; crashAt++) {
      let moment = 0
      const backend = openMemory({
        watch: ({ step, who }) => {
          if (who !== 'import' || ++moment !== crashAt) return undefined
          landed.set(step, (landed.get(step) ?? 0) + 1)
          return crashAt % 2 === 0 ? 'lost' : 'crash'
        },
      })
      const failed = await run(backend, paths, options).then(
        () => false,
        () => true,
      )
      if (!failed) break
      // Once it has begun, a clock that went on must not matter.
      const begun = (await backend.log.peek('import')) !== null
      const again = await run(
        backend,
        paths,
        begun ? { ...options, clock: { now: () => Date.UTC(2025, 0, 1) } } : options,
      )
      expect(['continued', 'already', begun ? '' : 'imported']).toContain(again.status)
      expect(await logBytes(backend)).toBe(expected)
      expect(readPosition((await backend.log.peek('import'))?.metadata ?? '').finished).toBe(true)
    }
    expect(landed.get('before-append')).toBeGreaterThan(15)
    expect(landed.get('after-append')).toBeGreaterThan(15)
  })

  it('goes on after an error in any phase, from standard input too', async () => {
    const whole = openMemory()
    const input = (): Partial<ImportOptions> => ({ ...options, stdin: Readable.from([Buffer.from(files['b.csv'])]) })
    const paths = [...write({ 'a.csv': files['a.csv'] }), '-']
    await run(whole, paths, input())
    const expected = await logBytes(whole)
    expect((await contentOf(whole)).some(({ value }) => value.transactionId === 'q94')).toBe(true)
    for (const phase of ['spool', 'first-pass', 'sort', 'append', 'final']) {
      const backend = openMemory()
      const dataDirectory = directory()
      const stop = run(backend, paths, {
        ...input(),
        dataDirectory,
        progress: (at) => {
          if (at.phase === phase) throw new Error(`stopped in ${phase}`)
        },
      })
      await expect(stop).rejects.toThrow(`stopped in ${phase}`)
      await run(backend, paths, { ...input(), dataDirectory })
      expect(await logBytes(backend)).toBe(expected)
    }
  })

  it('must be finished before another one begins', async () => {
    const backend = openMemory()
    const stop = {
      ...options,
      progress: ({ rows: at }: { rows: number }) => {
        if (at === 20) throw new Error('stop')
      },
    }
    await expect(run(backend, write({ 'a.csv': files['a.csv'] }), stop)).rejects.toThrow('stop')
    await expect(run(backend, write({ 'z.csv': timed('z@59:00') }), options)).rejects.toThrow(
      /import of a\.csv is not finished/,
    )
    await expect(run(backend, write({ 'a.csv': timed('z@59:00') }), options)).rejects.toThrow(
      /a\.csv is in an earlier import already, with other content/,
    )
    expect((await run(backend, write({ 'a.csv': files['a.csv'] }), options)).status).toBe('continued')
  })

  it('keeps its position in 4,096 characters, whatever happens in it', async () => {
    const reasons = Array.from({ length: 40 }, (_, i) => `${'reason '.repeat(8)}${i}`.padEnd(64, '.'))
    const { result, backend } = await imported(
      { 'a.csv': timed(rows.join(' ')) },
      { declare: { name: 'm', map: (row) => skip(reasons[Number(row.transactionId.slice(1)) % 40]) } },
    )
    expect(result.record.skipped.length).toBe(24)
    expect(result.record.unreadable).toEqual([
      { reason: 'mapping-result', count: 95 - result.record.skipped.reduce((sum, { count }) => sum + count, 0) },
    ])
    expect((await backend.log.peek('import'))?.metadata.length).toBeLessThan(2500)
  })
})

test('a mapping that gives other times each time is found out', async () => {
  let calls = 0
  const declare = {
    name: 'm',
    map: (row: Record<string, string>) => ({ ...row, occurredAt: Date.UTC(2024, 0, 5, 12, 0, calls++) }) as never,
  }
  await expect(imported({ 'a.csv': timed('a@00:00 b@00:00') }, { declare })).rejects.toMatchObject({
    code: 'SLUICE_IMPORT_IMPURE',
  })
})

test('a file that is written to while it is read is refused', async () => {
  const paths = write({ 'a.csv': timed('a@00:00 b@00:00') })
  const { appendFileSync } = await import('node:fs')
  const progress = (): void => appendFileSync(paths[0], 'x')
  await expect(run(openMemory(), paths, { progress })).rejects.toMatchObject({ code: 'SLUICE_IMPORT_FILE_CHANGED' })
})

test.each([
  ['nowhere.csv', /nowhere\.csv cannot be read \(ENOENT\)/],
  ['.', /\. is a directory/],
])('the path %s is refused', async (path, message) => {
  await expect(run(openMemory(), [path])).rejects.toThrow(message)
})

test('a disk that becomes full while a file is sorted is said', async () => {
  const pass = { file: await inputFile(write({ 'a.csv': timed('b@09:00 a@00:00') })[0]), rows: 2 } as Pass
  const bounds = { earliest: 0, notAfter: Date.UTC(2025, 0, 1), maxAheadMs: 0 }
  const sorting = sortFile(pass, null, bounds, '/dev/full', () => undefined)
  await expect(sorting).rejects.toMatchObject({
    code: 'SLUICE_IMPORT_NO_SPACE',
    message: expect.stringMatching(/goes on where it was/),
  })
})

test('what is said: progress in rows and bytes, files that are sorted', async () => {
  const said: string[] = []
  const phases: string[] = []
  await imported(
    { 'a.csv': timed('b@09:00 a@00:00') },
    {
      say: (text) => said.push(text),
      progress: ({ phase, bytes, totalBytes, rows, totalRows }) => {
        phases.push(`${phase} ${bytes}/${totalBytes} ${rows}/${totalRows}`)
      },
    },
  )
  expect(said).toEqual(['a.csv is not in order of time: it is sorted first, on disk.'])
  const size = timed('b@09:00 a@00:00').length
  expect(phases).toEqual([`first-pass ${size}/${size} 2/0`, 'sort 0/0 2/2', 'final 0/0 2/2'])
})
