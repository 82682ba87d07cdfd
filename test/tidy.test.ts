/** The house rules hold in the whole tree, and every rule is shown to bite on a violation made for it. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { blank } from '../scripts/source-text.ts'
import { importsOf, longFiles, rules } from '../scripts/tidy-rules.ts'

const root = join(import.meta.dirname, '..')
/** Not ours, or made by running: what .gitignore names. */
const skipped = new Set(['.git', 'node_modules', '.sluice', 'data', 'coverage'])
const isText = /\.(ts|js|cjs|mjs|json|avsc|md|sql|lua|css|html|yml|yaml|csv|sh)$|^(\.npmrc|\.ci\/run|\.gitignore)$/

function* files(directory = ''): Generator<string> {
  for (const entry of readdirSync(join(root, directory), { withFileTypes: true })) {
    const path = directory ? `${directory}/${entry.name}` : entry.name
    if (skipped.has(entry.name)) continue
    if (entry.isDirectory()) yield* files(path)
    else if (entry.isFile() && isText.test(path) && statSync(join(root, path)).size < 4_000_000) yield path
  }
}

const tree = [...files()].map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))

describe('the tree', () => {
  it('is found', () => {
    expect(tree.map(({ path }) => path)).toEqual(expect.arrayContaining(['package.json', 'test/tidy.test.ts']))
    expect(tree.length).toBeGreaterThan(20)
  })

  it.each(Object.entries(rules))('%s', (_name, rule) => {
    expect(tree.flatMap(({ path, text }) => rule(path, text))).toEqual([])
  })

  it('keeps no exemption longer than it is needed', () => {
    const paths = new Set(tree.map(({ path }) => path))
    expect(Object.keys(longFiles).filter((path) => paths.has('schemas/generate.ts') && !paths.has(path))).toEqual([])
  })
})

/** Put together here, so that this file does not break the rule it tests. */
const privatePath = ['', 'home', 'somebody', 'project'].join('/')
const registry = ['https:/', 'registry.example.org', 'rxjs.tgz'].join('/')
const opened = (code: string) => `/** What this file is for. */\n${code}\n`

// oxfmt-ignore
const violations: [rule: string, path: string, text: string, said: string][] = [
  ['imports run in one direction', 'schemas/a.ts', `import { x } from '../streams/x.ts'`, 'schemas may import nothing of ours'],
  ['imports run in one direction', 'streams/a/b.ts', `import type { Tx } from '../../schemas/x.ts'`, 'streams may import nothing of ours'],
  ['imports run in one direction', 'processors/a.ts', `export { x } from '../streams/x.ts'`, 'processors may import schemas'],
  ['imports run in one direction', 'topologies/a.ts', `import '../sink/x.ts'`, 'topologies may import streams, schemas, processors'],
  ['imports run in one direction', 'intake/a.ts', `const x = await import('../processors/x.ts')`, 'intake may import streams, schemas'],
  ['imports run in one direction', 'sink/a.ts', `import {\n  x,\n  y,\n} from '../dashboard/x.ts'`, 'sink/a.ts:4'],
  ['imports run in one direction', 'bench/a.ts', `import { x } from '../cli/x.ts'`, 'bench imports "cli/x.ts"'],
  ['imports run in one direction', 'attic/a.ts', ``, 'room "attic" is unknown'],
  ['imports run in one direction', 'cli/a.ts', `import { x } from '../sink/x'`, 'write the .ts'],
  ['imports run in one direction', 'test/model/a.ts', `import { x } from '../../processors/x.ts'`, 'may import schemas/ and nothing else'],
  ['imports run in one direction', 'test/model/a.ts', `import { readFileSync } from 'node:fs'`, 'may import schemas/ and nothing else'],
  ['imports run in one direction', 'test/model/a.ts', `import { x } from '../helpers.ts'`, 'may import schemas/ and nothing else'],
  ['decisions and topologies are pure', 'processors/a.ts', `import { readFileSync } from 'node:fs'`, 'depends on its input only'],
  ['decisions and topologies are pure', 'topologies/a.ts', `const n = process.env.N`, 'uses process.env'],
  ['decisions and topologies are pure', 'processors/a.ts', `names.sort((a, b) => a.localeCompare(b))`, 'uses localeCompare'],
  ['banned words', 'streams/a.ts', opened(`const t = Date.now()`), 'streams/a.ts:2: Date.now is banned here'],
  ['banned words', 'intake/a.ts', opened(`const t = new Date()`), 'time comes from the record'],
  ['banned words', 'test/a.ts', `const n = Math.random()`, 'seeded generator'],
  ['banned words', 'schemas/a.ts', `const n = parseFloat(text)`, 'money is integers'],
  ['banned words', 'schemas/a.ts', `const n = Number.parseFloat(text)`, 'money is integers'],
  ['banned words', 'sink/a.ts', `function f(x: any) {}`, 'take `unknown`'],
  ['banned words', 'sink/a.ts', `const y = x as any`, 'take `unknown`'],
  ['banned words', 'sink/a.ts', `const y = new Map<any, string>()`, 'take `unknown`'],
  ['banned words', 'sink/a.ts', `console.log(1)`, 'only cli, bench and scripts print'],
  ['banned words', 'sink/a.ts', 'const s = `${console.log(1)}`', 'only cli, bench and scripts print'],
  ['no file over 400 lines', 'cli/a.ts', 'x\n'.repeat(401), '401 lines, 400 is the limit'],
  ['every file opens with its purpose', 'cli/a.ts', `import { x } from './x.ts'\n// What this file is for.\n`, 'one sentence'],
  ['every file opens with its purpose', 'cli/a.ts', `// TODO\nconst x = 1\n`, 'one sentence'],
  ['no path of one machine', 'docs/a.md', `see ${privatePath}/x`, 'make it relative'],
  ['no registry host', '.npmrc', `registry=${registry}`, 'names a registry host'],
  ['no registry host', 'package-lock.json', `"resolved": "https://packages.example.org/rxjs.tgz"`, 'omit-lockfile-registry-resolved'],
]

// oxfmt-ignore
const harmless: [rule: string, path: string, text: string][] = [
  ['imports run in one direction', 'topologies/a.ts', `import { hours } from '../streams/index.ts'\nimport { map } from 'rxjs'`],
  ['imports run in one direction', 'streams/a.ts', `// import { x } from '../cli/x.ts'\nimport { open } from 'lmdb'`],
  ['imports run in one direction', 'schemas/generate.ts', 'const made = `\nimport { x } from "../cli/x.ts"\n`'],
  ['imports run in one direction', 'test/model/a.ts', `import { a } from '../../schemas/a.ts'\nimport { b } from './b.ts'`],
  ['imports run in one direction', 'test/cli/a.test.ts', `import { main } from '../../cli/main.ts'`],
  ['decisions and topologies are pure', 'streams/a.ts', `import { readFileSync } from 'node:fs'`],
  ['banned words', 'streams/embedded/clock.ts', `const now = () => Date.now()`],
  ['banned words', 'sink/a.ts', `// Date.now() would be wrong\nconst d = new Date(row.at)\nconst s = 'Math.random'`],
  ['banned words', 'sink/a.ts', `const many = company as anything\nconst o = { any: 1 }\nif (a < anyOf(b)) f()`],
  ['banned words', 'sink/a.ts', `const quote = /['"]/g\nconst s = "console.log(1)"`],
  ['banned words', 'cli/a.ts', `console.log(1)`],
  ['no file over 400 lines', 'schemas/generated.ts', 'x\n'.repeat(900)],
  ['every file opens with its purpose', 'bin/a.js', `#!/usr/bin/env node\n/**\n * Starts the program on Node 24.\n */`],
  ['every file opens with its purpose', 'cli/a.ts', `// Reads the arguments.\nconst x = 1`],
  ['no path of one machine', 'docs/a.md', `GET https://example.org/home/page/1 and ./work/x and docs/root/y`],
  ['no registry host', 'docker-compose.yml', `SCHEMA_REGISTRY: http://schema-registry:8081`],
]

describe('the rules', () => {
  it.each(violations)('%s: violation %# in %s is found', (rule, path, text, said) => {
    expect(rules[rule]!(path, text).join('\n')).toContain(said)
  })

  it.each(harmless)('%s: harmless text %# in %s is left alone', (rule, path, text) => {
    expect(rules[rule]!(path, text)).toEqual([])
  })

  it('has a violation for every rule', () => {
    expect(new Set(violations.map(([rule]) => rule))).toEqual(new Set(Object.keys(rules)))
  })

  it('reads imports over several lines, of types, for effect and dynamic ones', () => {
    const text = `import a, {\n  b,\n} from './1.ts'\nimport type { C } from './2.ts'\nimport './3.ts'\nexport * from './4.ts'\nawait import('./5.ts')`
    expect(
      importsOf(text)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['./1.ts', './2.ts', './3.ts', './4.ts', './5.ts'])
  })

  it('keeps length and lines when it blanks', () => {
    for (const { text } of tree.filter(({ path }) => path.endsWith('.ts'))) {
      const code = blank(text, 'code')
      expect(code.length).toBe(text.length)
      expect(code.split('\n').length).toBe(text.split('\n').length)
    }
  })
})
