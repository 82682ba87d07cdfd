/** Which bytes make a row, and which are a broken one: the same however the file arrives in pieces. */
import { open } from 'node:fs/promises'
import { describe, expect, it, test } from 'vitest'
import { CsvScanner } from '../../intake/files/csv.ts'
import { LineScanner } from '../../intake/files/lines.ts'
import { END, MORE } from '../../intake/files/row.ts'
import { Window } from '../../intake/files/window.ts'
import { write } from './files-harness.ts'

const dialect = { delimiter: ',', quote: '"', targets: [0, 1, 2], slots: 3 }

/** Rows as `line: a|b|c`, or `line: !reason raw`; read through a buffer of `capacity` bytes. */
async function rowsOf(text: string | Uint8Array, capacity = 1 << 16): Promise<string[]> {
  const [path] = write({ 'a.csv': text })
  const handle = await open(path)
  try {
    const window = new Window(handle, 'a.csv', (await handle.stat()).size, capacity, null)
    const scanner = new CsvScanner(window, dialect, 1)
    const { row } = scanner
    const found: string[] = []
    for (;;) {
      const step = scanner.next()
      if (step === END) return found
      if (step === MORE) {
        await window.fill()
        continue
      }
      const part = (bytes: Uint8Array, from: number, to: number): string =>
        Buffer.from(bytes.subarray(from, to)).toString()
      const fields = [0, 1, 2].map((slot) => part(row.fields, row.starts[slot], row.ends[slot]))
      const raw = part(row.bytes, row.start, Math.min(row.end, row.start + 60))
      found.push(row.problem === null ? `${row.line}: ${fields.join('|')}` : `${row.line}: !${row.problem} ${raw}`)
    }
  } finally {
    await handle.close()
  }
}

// oxfmt-ignore
const cases: [what: string, text: string, rows: string[]][] = [
  ['plain rows', 'a,b,c\nd,e,f\n', ['1: a|b|c', '2: d|e|f']],
  ['CRLF, and no line end at the end', 'a,b,c\r\nd,e,f', ['1: a|b|c', '2: d|e|f']],
  ['CR at the end of the file', 'a,b,c\r\nd,e,f\r', ['1: a|b|c', '2: d|e|f']],
  ['empty fields', ',,\n"","",""\n', ['1: ||', '2: ||']],
  ['blank lines are no rows', '\na,b,c\n\r\n\nd,e,f\n\n', ['2: a|b|c', '5: d|e|f']],
  ['quotes with delimiters and doubled quotes', '"a,1","b ""x""",c\n', ['1: a,1|b "x"|c']],
  ['a doubled quote alone', '"""",b,""""""\n', ['1: "|b|""']],
  ['quoted line ends', '"a\nb","c\r\nd",e\nf,g,h\n', ['1: a\nb|c\r\nd|e', '4: f|g|h']],
  ['a quoted field ends the file', 'a,b,"c"', ['1: a|b|c']],
  ['a quote missing at the end of a field', 'a,"b,c\nd,e,f\ng,h,i\n', ['1: !csv-quote a,"b,c', '2: d|e|f', '3: g|h|i']],
  ['a quote missing, quoted rows after it', '"a","b,"c"\n"d","e","f"\n', ['1: !csv-quote "a","b,"c"', '2: d|e|f']],
  ['the last quote missing, quoted rows after it', '"a","b","c\n"d","e","f"\n', ['1: !csv-quote "a","b","c', '2: d|e|f']],
  ['the first quote missing', 'a","b","c"\nd,e,f\n', ['1: !csv-quote a","b","c"', '2: d|e|f']],
  ['text after a closing quote', '"a"x,b,c\nd,e,f\n', ['1: !csv-quote "a"x,b,c', '2: d|e|f']],
  ['rows joined by a quote do not make one with other columns', 'a,"b\nc",d,e,f\n', ['1: !csv-quote a,"b', '2: !csv-quote c",d,e,f']],
  ['a quote missing in the last line', 'a,b,c\nd,"e,f\n', ['1: a|b|c', '2: !csv-quote d,"e,f']],
  ['a file cut inside a quote', 'a,b,c\nd,"e,f', ['1: a|b|c', '2: !row-cut d,"e,f']],
  ['a file cut inside a row', 'a,b,c\nd,e', ['1: a|b|c', '2: !row-cut d,e']],
  ['too few and too many columns', 'a,b\nc,d,e,f\ng,h,i\n', ['1: !column-count a,b', '2: !column-count c,d,e,f', '3: g|h|i']],
  ['a quote that is closed 70 lines later', `a,"b${'\nx'.repeat(70)}",c\nd,e,f\n`, ['1: !csv-quote a,"b', ...Array.from({ length: 69 }, (_, i) => `${i + 2}: !column-count x`), '71: !csv-quote x",c', '72: d|e|f']],
  ['a quote that is closed 60 lines later', `a,"b${'\nx'.repeat(60)}",c\nd,e,f\n`, [`1: a|b${'\nx'.repeat(60)}|c`, '62: d|e|f']],
]

describe('CSV', () => {
  test.each(cases)('%s', async (_what, text, rows) => {
    expect(await rowsOf(text)).toEqual(rows)
    // Pieces of any size make the same rows: the buffer starts tiny and grows with the row.
    for (const capacity of [1, 2, 3, 5, 7, 16]) expect(await rowsOf(text, capacity)).toEqual(rows)
  })

  it('gives up a row at 1 MiB and goes on at the next line end', async () => {
    const fits = `a,${'b'.repeat((1 << 20) - 4)},c`
    const long = `a,${'b'.repeat((1 << 20) - 3)},c`
    expect(fits.length).toBe(1 << 20)
    for (const capacity of [1000, 1 << 20, 1 << 22]) {
      const rows = await rowsOf(`${fits}\n${long}\nd,"${'e'.repeat(3 << 20)},f\ng,h,i\n`, capacity)
      expect(rows.map((row) => row.slice(0, 22))).toEqual([
        `1: a|${'b'.repeat(17)}`,
        '2: !row-too-long a,bbb',
        '3: !row-too-long d,"ee',
        '4: g|h|i',
      ])
    }
  })

  it('bounds a quoted field that reaches into further lines to 64 KiB', async () => {
    const body = (bytes: number): string => `a,"b\n${'x'.repeat(bytes)}",c`
    for (const capacity of [100, 65_536, 70_000, 1 << 20]) {
      expect((await rowsOf(`${body(65_000)}\nd,e,f\n`, capacity)).length).toBe(2)
      const rows = await rowsOf(`${body(65_600)}\nd,e,f\n`, capacity)
      expect(rows.map((row) => row.slice(0, 18))).toEqual(['1: !csv-quote a,"b', '2: !csv-quote xxxx', '3: d|e|f'])
    }
  })
})

describe('NDJSON', () => {
  it('is lines; blank ones are none; a long one is given up', async () => {
    const text = `{"a":1}\r\n\n  \n{"b":2}\n${'x'.repeat(3 << 20)}\n{"c":3}`
    const [path] = write({ 'a.ndjson': text })
    for (const capacity of [10, 1 << 20]) {
      const handle = await open(path)
      const window = new Window(handle, 'a', (await handle.stat()).size, capacity, null)
      const scanner = new LineScanner(window, 1)
      const found: string[] = []
      for (let step = scanner.next(); step !== END; step = scanner.next()) {
        const { row } = scanner
        if (step === MORE) await window.fill()
        else
          found.push(
            `${row.line} ${row.problem} ${Buffer.from(row.bytes.subarray(row.start, Math.min(row.end, row.start + 7))).toString()}`,
          )
      }
      await handle.close()
      expect(found).toEqual(['1 null {"a":1}', '4 null {"b":2}', '5 row-too-long xxxxxxx', '6 null {"c":3}'])
    }
  })
})
