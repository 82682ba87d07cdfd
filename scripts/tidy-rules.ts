/** The house rules that a machine can check, each a pure function from (path, text) to findings in plain words. */
import { posix } from 'node:path'
import { blank, lineOf } from './source-text.ts'

/** One violation, as `path:line: what is wrong and what to do`. */
export type Finding = string
export type Rule = (path: string, text: string) => Finding[]

const parts = ['schemas', 'processors', 'topologies', 'streams', 'intake', 'sink', 'dashboard']

/** Who may import whom, besides itself. Nobody imports cli but the tests; only cli, bench and the tools compose. */
export const mayImport: Readonly<Record<string, readonly string[]>> = {
  schemas: [],
  processors: ['schemas'],
  topologies: ['streams', 'schemas', 'processors'],
  streams: [],
  intake: ['streams', 'schemas'],
  sink: ['streams', 'schemas'],
  dashboard: ['streams', 'schemas'],
  examples: ['schemas', 'intake'],
  bench: parts,
  cli: [...parts, 'bench'],
  scripts: [...parts, 'cli', 'bench'],
  test: [...parts, 'cli', 'bench', 'scripts', 'examples'],
}

/** The naive model judges the product, so it shares nothing with it but the shapes of what travels. */
const MODEL = 'test/model/'

/** Files that read the wall clock: everything else takes time from a record or from the Clock of the backend. */
export const clockFiles = ['streams/embedded/clock.ts', 'streams/distributed/clock.ts', 'scripts/ensure-installed.cjs']

/** Files that draw a number from nowhere: the seed of a generator run that was given none. */
export const seedFiles = ['intake/generator/seed.ts']

/** Files that may be longer than 400 lines, with the reason. */
export const longFiles: Readonly<Record<string, string>> = {
  'schemas/generated.ts': 'generated from the schemas',
  'schemas/countries.ts': 'a table, one country a line',
}

const isSource = (path: string) => /\.(ts|js|cjs|mjs)$/.test(path)
const isTypeScript = (path: string) => path.endsWith('.ts')
const roomOf = (path: string) => (path.includes('/') ? path.slice(0, path.indexOf('/')) : '')

/** The module names that a file imports, static and dynamic, with their positions. */
export function importsOf(text: string): { name: string; at: number }[] {
  const code = blank(text, 'code and strings')
  const patterns = [
    /^[ \t]*(?:import|export)\b[^'";=()]*?\bfrom\s*['"]([^'"\n]+)['"]/gm,
    /^[ \t]*import\s*['"]([^'"\n]+)['"]/gm,
    /\bimport\s*\(\s*['"]([^'"\n]+)['"]/g,
  ]
  return patterns.flatMap((pattern) =>
    [...code.matchAll(pattern)].map((found) => ({ name: found[1]!, at: found.index + found[0].length })),
  )
}

/** Imports run in one direction between the rooms; a new room has to be entered in the table above. */
export const importDirection: Rule = (path, text) => {
  if (!isTypeScript(path) || !path.includes('/')) return []
  const room = roomOf(path)
  const allowed = mayImport[room]
  if (!allowed) return [`${path}:1: the room "${room}" is unknown; say in scripts/tidy-rules.ts what it may import`]
  return importsOf(text).flatMap(({ name, at }) => {
    const where = `${path}:${lineOf(text, at)}`
    const relative = name.startsWith('.')
    const target = relative ? posix.join(posix.dirname(path), name) : name
    if (path.startsWith(MODEL)) {
      const fine = relative && (target.startsWith(MODEL) || roomOf(target) === 'schemas')
      return fine ? [] : [`${where}: the naive model imports "${name}"; it may import schemas/ and nothing else`]
    }
    if (!relative) return []
    if (!/\.(ts|js|json)$/.test(name)) return [`${where}: "${name}" has no file ending; write the .ts`]
    const other = roomOf(target)
    if (other === room || allowed.includes(other)) return []
    const may = allowed.length ? allowed.join(', ') : 'nothing of ours'
    return [`${where}: ${room} imports "${target}"; ${room} may import ${may}`]
  })
}

const effects =
  /^(node:)?(fs|fs\/promises|http|https|net|os|process|child_process|worker_threads|timers|timers\/promises)$/

/** Decisions and topologies are functions of their input: no file, network, process, environment or locale. */
export const pureDecisions: Rule = (path, text) => {
  if (!isTypeScript(path) || !['processors', 'topologies'].includes(roomOf(path))) return []
  const imports = importsOf(text).filter(({ name }) => effects.test(name))
  const code = blank(text, 'code')
  const uses = [
    ...code.matchAll(/\b(?:process\.\w+|Intl\.\w+|toLocale\w+|localeCompare|performance\.now|Math\.exp)\b/g),
  ]
  return [
    ...imports.map(
      ({ name, at }) => `${path}:${lineOf(text, at)}: imports "${name}"; a decision depends on its input only`,
    ),
    ...uses.map(
      (found) => `${path}:${lineOf(text, found.index)}: uses ${found[0]}; a decision depends on its input only`,
    ),
  ]
}

interface Ban {
  readonly pattern: RegExp
  readonly allowed: (path: string) => boolean
  readonly instead: string
}

const inRoom =
  (...rooms: string[]) =>
  (path: string) =>
    rooms.includes(roomOf(path))
const bans: readonly Ban[] = [
  {
    pattern: /\bDate\.now\b|\bnew Date\(\s*\)|\bnew Date\b(?!\s*\()/g,
    // A test or a benchmark waits for real processes; it does not decide about money.
    allowed: (path) => clockFiles.includes(path) || inRoom('test', 'bench')(path),
    instead: 'time comes from the record or from the Clock; for a duration use performance.now()',
  },
  {
    pattern: /\bMath\.random\b|\bcrypto\.getRandomValues\b/g,
    allowed: (path) => seedFiles.includes(path),
    instead: 'draw from a seeded generator and print the seed',
  },
  { pattern: /\bparseFloat\b/g, allowed: () => false, instead: 'money is integers, read with schemas/decimal.ts' },
  {
    pattern: /(?::|\bas|<|\||&|=>)\s*any\b(?!\s*[(.:])/g,
    allowed: (path) => !isTypeScript(path),
    instead: 'name the type, or take `unknown` and check it',
  },
  {
    pattern: /\bconsole\.\w+/g,
    allowed: inRoom('cli', 'bench', 'scripts', 'bin', 'test'),
    instead: 'a library returns or throws; only cli, bench and scripts print',
  },
]

/** Words that have no place in the sources, each with what to write instead. Comments and strings are not read. */
export const bannedWords: Rule = (path, text) => {
  if (!isSource(path)) return []
  const code = blank(text, 'code')
  return bans.flatMap(({ pattern, allowed, instead }) =>
    allowed(path)
      ? []
      : [...code.matchAll(pattern)].map(
          (found) =>
            `${path}:${lineOf(text, found.index)}: ${found[0].replace(/\s+/g, ' ')} is banned here; ${instead}`,
        ),
  )
}

/** A file that needs more than 400 lines is two files. */
export const fileLength: Rule = (path, text) => {
  if (!isSource(path) || longFiles[path]) return []
  const lines = text.trimEnd().split('\n').length
  return lines > 400 ? [`${path}:401: ${lines} lines, 400 is the limit; split it by what its parts are for`] : []
}

/** Every file opens with a comment that says in a sentence what it is for. */
export const openingSentence: Rule = (path, text) => {
  if (!isSource(path)) return []
  const opening = /^(?:#!.*\n)?\s*(?:\/\*\*?([\s\S]*?)\*\/|((?:\/\/.*\n?)+))/.exec(text)
  const words = (opening?.[1] ?? opening?.[2] ?? '').replace(/^[\s*/]+/gm, ' ').match(/\p{L}[\p{L}\p{N}'-]*/gu) ?? []
  return words.length >= 3 ? [] : [`${path}:1: open the file with a comment that says in one sentence what it is for`]
}

/** Nothing in the tree knows the machine that it was written on. */
export const noPrivatePaths: Rule = (path, text) =>
  [...text.matchAll(/(?<![\w.:/)\]}*-])\/(?:home|root|Users|work)\/[\w.-]+/g)].map(
    (found) => `${path}:${lineOf(text, found.index)}: ${found[0]} is a path of one machine; make it relative`,
  )

const host =
  /https?:\/\/[^\s"'`)]*(?<!schema-)\b(?:registry|artifactory|nexus|verdaccio)\b|\bregistry\.(?:npmjs|yarnpkg)\./g

/** Packages are named, not where they are hosted: every machine has its own way to them. */
export const noRegistryHosts: Rule = (path, text) => [
  ...[...text.matchAll(host)].map(
    (found) => `${path}:${lineOf(text, found.index)}: names a registry host, ${found[0]}`,
  ),
  ...(/(^|\/)(package-lock\.json|npm-shrinkwrap\.json)$/.test(path)
    ? [...text.matchAll(/"resolved":\s*"https?:[^"]*"/g)].map(
        (found) => `${path}:${lineOf(text, found.index)}: ${found[0]}; install with omit-lockfile-registry-resolved`,
      )
    : []),
]

/** All rules by the name that the test shows. */
export const rules: Readonly<Record<string, Rule>> = {
  'imports run in one direction': importDirection,
  'decisions and topologies are pure': pureDecisions,
  'banned words': bannedWords,
  'no file over 400 lines': fileLength,
  'every file opens with its purpose': openingSentence,
  'no path of one machine': noPrivatePaths,
  'no registry host': noRegistryHosts,
}
