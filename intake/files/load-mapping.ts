/** Loads a mapping module, checks what it declares, and identifies it by its content and that of what it imports. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { dirname, resolve, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Mapping, MappingTools } from '../mapping.ts'
import { skip } from '../mapping.ts'
import { debitOrCredit, plainAmount, unsigned } from './amounts.ts'
import { DatePattern, Zone } from './dates.ts'
import { precisions } from './encode.ts'
import { ImportRefused } from './refusals.ts'
import { readTime } from './time.ts'

/** A mapping that was checked. `hash`: identity of its content, hex. */
export interface LoadedMapping {
  readonly declaration: Mapping
  readonly hash: string
  readonly tools: MappingTools
}

/** Our own code is no part of a mapping's identity: an upgrade must not make yesterday's files look new. */
const ownCode = resolve(fileURLToPath(new URL('..', import.meta.url))) + sep
const singleByte = /^(?:latin-?1|iso-?8859-\d{1,2}|windows-12\d\d|ibm866|koi8-[ru]|macintosh|ascii|us-ascii)$/i

/** Loads the default export of a module. Errors: ImportRefused SLUICE_IMPORT_MAPPING, with every fault at once. */
export async function loadMapping(path: string): Promise<LoadedMapping> {
  const file = resolve(path)
  const hash = createHash('sha256')
  for (const [index, content] of await contents(file)) hash.update(`${index}:${content.length}:`).update(content)
  let declaration: unknown
  try {
    declaration = ((await import(pathToFileURL(file).href)) as { default?: unknown }).default
  } catch (error) {
    throw new ImportRefused('SLUICE_IMPORT_MAPPING', `${path} cannot be loaded: ${reasonOf(error)}.`)
  }
  return checkMapping(declaration, hash.digest('hex'), path)
}

/** The mapping's file and, once each, the files that it imports by relative paths, in the order of first mention. */
async function contents(file: string): Promise<[number, Buffer][]> {
  const found: [number, Buffer][] = []
  const files = [file]
  for (let index = 0; index < files.length; index++) {
    let content: Buffer
    try {
      content = await readFile(files[index])
    } catch (error) {
      throw new ImportRefused('SLUICE_IMPORT_MAPPING', `${files[index]} cannot be read: ${reasonOf(error)}.`)
    }
    found.push([index, content])
    for (const [, specifier] of content
      .toString('utf8')
      .matchAll(/(?:from|import)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g)) {
      const target = resolve(dirname(files[index]), specifier)
      if (!target.startsWith(ownCode) && !files.includes(target)) files.push(target)
    }
  }
  return found
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Checks a declaration and makes its tools. `where` names it in errors. */
export function checkMapping(value: unknown, hash: string, where: string): LoadedMapping {
  const faults: string[] = []
  const check = (right: boolean, fault: string): void => {
    if (!right) faults.push(fault)
  }
  if (typeof value !== 'object' || value === null) {
    throw new ImportRefused('SLUICE_IMPORT_MAPPING', `${where}: its default export is no mapping.`)
  }
  const m = value as Mapping
  const oneCharacter = (text: unknown): boolean => typeof text === 'string' && /^[\t\x20-\x7e]$/.test(text)
  check(typeof m.name === 'string' && m.name.length > 0 && Array.from(m.name).length <= 64, 'name: 1 to 64 characters')
  check(typeof m.map === 'function', 'map: a function')
  check([undefined, 'csv', 'ndjson'].includes(m.format), "format: 'csv' or 'ndjson'")
  check(m.delimiter === undefined || oneCharacter(m.delimiter), 'delimiter: one ASCII character')
  check(m.quote === undefined || m.quote === '' || oneCharacter(m.quote), "quote: one ASCII character, or ''")
  check(m.delimiter !== (m.quote ?? '"'), 'delimiter and quote: two different characters')
  check(m.columns === undefined || (Array.isArray(m.columns) && m.columns.length > 0), 'columns: names')
  check(
    m.timePrecision === undefined || precisions.includes(m.timePrecision),
    'timePrecision: millisecond, second or day',
  )
  const pivot = m.twoDigitYearPivot
  check(pivot === undefined || (Number.isInteger(pivot) && pivot >= 0 && pivot <= 100), 'twoDigitYearPivot: 0 to 100')
  const encoding = m.encoding ?? 'utf-8'
  check(/^utf-?8$/i.test(encoding) || singleByte.test(encoding), 'encoding: utf-8, or one with one byte a character')
  let zone: Zone | null = null
  try {
    zone = new Zone(m.zone ?? 'UTC')
  } catch {
    faults.push(`zone: '${m.zone}' is not in the tz database`)
  }
  if (faults.length > 0 || zone === null)
    throw new ImportRefused('SLUICE_IMPORT_MAPPING', `${where}: ${faults.join('; ')}.`)
  return { declaration: m, hash, tools: toolsOf(zone, pivot ?? null, m.decimalComma === true) }
}

function toolsOf(zone: Zone, pivot: number | null, decimalComma: boolean): MappingTools {
  const patterns = new Map<string, DatePattern>()
  return {
    date(text, pattern) {
      let reader = patterns.get(pattern)
      if (reader === undefined) patterns.set(pattern, (reader = new DatePattern(pattern, pivot)))
      return zone.instantOf(reader.local(text.trim()))
    },
    instant(text) {
      const bytes = Buffer.from(text.trim(), 'latin1')
      return readTime(bytes, 0, bytes.length)
    },
    amount: (text) => plainAmount(text, decimalComma),
    unsigned: (text) => unsigned(plainAmount(text, decimalComma)),
    debitCredit: (debit, credit) => debitOrCredit(debit, credit, decimalComma),
    skip,
  }
}
