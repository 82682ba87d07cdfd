/** The table of kilometers is complete, symmetric, and what its script makes of the centroids. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, test } from 'vitest'
import { countryIndex, kilometersBetween, noCountry } from '../../processors/kilometers.ts'
import { countryCodes } from '../../schemas/countries.ts'

const index = (code: string): number => countryIndex(code.charCodeAt(0), code.charCodeAt(1))
const codes = countryCodes.trim().split(/\s+/)
/** The two halves of one small island. */
const sameCentroid = new Set(['MFSX', 'SXMF'])

// Computed a second time from the centroids, with vectors instead of the haversine formula.
test.each([
  ['CZ', 'CZ', 0],
  ['CZ', 'SK', 328],
  ['CZ', 'DE', 391],
  ['GB', 'US', 6831],
  ['ES', 'NZ', 19_877],
])('%s to %s is %i km, both ways', (from, to, kilometers) => {
  expect(kilometersBetween(index(from), index(to))).toBe(kilometers)
  expect(kilometersBetween(index(to), index(from))).toBe(kilometers)
})

it('knows every code once, and nothing else', () => {
  expect(codes.map(index)).toEqual(codes.map((_, i) => i))
  expect(codes.length).toBeLessThan(noCountry)
  for (const other of ['ZZ', 'AA', 'cz', 'C1', '  ', '\u00c0B']) expect(index(other)).toBe(noCountry)
})

it('is never more than half way round the earth, and zero only at home', () => {
  for (const a of codes.keys()) {
    for (const b of codes.keys()) {
      const kilometers = kilometersBetween(a, b)
      expect(kilometers).toBeLessThanOrEqual(20_016)
      expect(kilometers === 0).toBe(a === b || sameCentroid.has(codes[a] + codes[b]))
    }
  }
})

it('is what its script makes of the centroids', () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-kilometers-'))
  try {
    cpSync('scripts', join(directory, 'scripts'), { recursive: true })
    cpSync('package.json', join(directory, 'package.json'))
    mkdirSync(join(directory, 'schemas'))
    execFileSync(process.execPath, [join(directory, 'scripts', 'kilometers.ts')])
    expect(readFileSync(join(directory, 'schemas', 'countries.ts'), 'utf8')).toBe(
      readFileSync('schemas/countries.ts', 'utf8'),
    )
  } finally {
    rmSync(directory, { recursive: true })
  }
})
