/** schemas: register the line's schemas, check them or a producer's, list what is registered. Nothing else registers. */
import { readFileSync } from 'node:fs'
import { records } from '../schemas/topics.ts'
import { differences, sameSchema, type Difference } from '../streams/avro/differences.ts'
import { unreadable } from '../streams/avro/resolvable.ts'
import { parseSchema } from '../streams/avro/schema.ts'
import { RegistryError, type Compatibility, type Registry, type Version } from '../streams/distributed/registry.ts'
import { configurationOf, type ConfigurationFlags } from './configuration/flags.ts'
import { exitCodes, print, printJson, UsageError } from './output.ts'
import { registryOf, subjectsOf, transactionSubjects } from './subjects.ts'

export interface SchemasOptions extends ConfigurationFlags {
  readonly json?: boolean
}
export interface RegisterOptions extends SchemasOptions {
  readonly compatibility: Compatibility
}

/** A schema that is to stand under a subject. */
interface Wanted {
  readonly subject: string
  readonly name: string
  readonly schema: string
}

/** One finding: what is in the way of reading records of one schema with another. */
interface Conflict {
  /** 'ours reads version 3', 'version 3 reads ours'. */
  readonly when: string
  readonly differences: readonly Difference[]
}

interface Checked {
  readonly subject: string
  readonly name: string
  /** registered, compatible (would be the next version), new (no such subject), incompatible. */
  readonly state: 'registered' | 'compatible' | 'new' | 'incompatible'
  readonly version: number | null
  readonly id: number | null
  readonly compatibility: string
  readonly conflicts: readonly Conflict[]
  /** What the registry says besides, when it refuses what we find no fault with. */
  readonly registry: string
}

function opened(options: SchemasOptions): { registry: Registry; topicPrefix: string } {
  const configuration = configurationOf(options)
  const registry = registryOf(configuration)
  if (registry === null) throw new UsageError('No schema registry is configured: give --registry-url.')
  return { registry, topicPrefix: configuration.kafka.topicPrefix }
}

/** The line's own schemas, or the one in a file, which is a producer's of transactions. Errors: UsageError. */
function wanted(topicPrefix: string, file: string | undefined): Wanted[] {
  if (file === undefined) {
    return subjectsOf(topicPrefix).flatMap(({ subject, types }) =>
      types.map(({ name, schema }) => ({ subject, name, schema })),
    )
  }
  let schema: string
  try {
    schema = readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`${file}: ${(error as Error).message}`)
  }
  return [{ subject: transactionSubjects(topicPrefix)[0], name: file, schema }]
}

/** Without blanks and line ends: registries compare texts. */
const compact = (schema: string): string => JSON.stringify(JSON.parse(schema))

function conflict(when: string, writer: string, reader: string): Conflict[] {
  const found = differences(writer, reader)
  return found.length === 0 ? [] : [{ when, differences: found }]
}

/** Both ways where the rule is FULL: older records by the new schema, newer records by the old one. */
function conflictsWith({ version, schema }: Version, mine: string, rule: string): Conflict[] {
  if (rule === 'NONE') return []
  const older = rule.startsWith('FORWARD')
    ? []
    : conflict(`this schema reads records of version ${version}`, schema, mine)
  const newer = rule.startsWith('BACKWARD')
    ? []
    : conflict(`version ${version} reads records of this schema`, mine, schema)
  return [...older, ...newer]
}

async function checkOne(registry: Registry, one: Wanted, otherwise: string): Promise<Checked> {
  const { subject, name, schema } = one
  const versions = await registry.versions(subject)
  const rule = versions.length === 0 ? otherwise : ((await registry.compatibility(subject)) ?? otherwise)
  const same = versions.find((version) => sameSchema(version.schema, schema))
  const base = { subject, name, compatibility: rule, conflicts: [], registry: '', version: null, id: null }
  if (same !== undefined) return { ...base, state: 'registered', version: same.version, id: same.id }
  const last = versions.at(-1)
  if (last === undefined) return { ...base, state: 'new' }
  const against = rule.endsWith('TRANSITIVE') ? versions : [last]
  const conflicts = against.flatMap((version) => conflictsWith(version, schema, rule))
  if (conflicts.length > 0) return { ...base, state: 'incompatible', conflicts }
  const words = await registry.refuses(subject, compact(schema))
  return { ...base, state: words === null ? 'compatible' : 'incompatible', registry: words ?? '' }
}

/** A producer's schema must also be one that this version of the line can read at all. */
function fitFor(file: string | undefined, one: Wanted, checked: Checked): Checked {
  const why = file === undefined ? null : unreadable(one.schema, records.transaction.schema)
  if (why === null) return checked
  const already = checked.conflicts.flatMap((found) => found.differences.map(({ field }) => field))
  const mine = conflict('the line reads records of this schema', one.schema, records.transaction.schema).map(
    (found) => ({
      ...found,
      differences: found.differences.filter(({ field }) => !already.includes(field)),
    }),
  )
  const conflicts = [...checked.conflicts, ...mine]
  const registry = conflicts.length === 0 ? `It cannot be read as a transaction: ${why}.` : checked.registry
  return { ...checked, state: 'incompatible', conflicts, registry }
}

async function checkAll(registry: Registry, file: string | undefined, one: Wanted, rule: string): Promise<Checked> {
  try {
    // What is no schema at all is told before a registry is asked.
    parseSchema(one.schema)
  } catch (error) {
    throw new UsageError(`${one.name}: ${(error as Error).message}`)
  }
  return fitFor(file, one, await checkOne(registry, one, rule))
}

/** schemas check [file]: says what would happen, changes nothing. Exit code 1 when something is incompatible. */
export async function check(file: string | undefined, options: SchemasOptions): Promise<number> {
  const { registry, topicPrefix } = opened(options)
  const checked: Checked[] = []
  for (const one of wanted(topicPrefix, file)) checked.push(await checkAll(registry, file, one, 'FULL'))
  return shown(checked, options.json)
}

/**
 * schemas register [file]: sets the rule of each subject, registers what is not there. All or nothing as far as a check
 * can tell. Exit code 1 when something is incompatible; nothing was registered then.
 */
export async function register(file: string | undefined, options: RegisterOptions): Promise<number> {
  const { registry, topicPrefix } = opened(options)
  const all = wanted(topicPrefix, file)
  const checked: Checked[] = []
  for (const one of all) checked.push(await checkAll(registry, file, one, options.compatibility))
  if (checked.some(({ state }) => state === 'incompatible')) return shown(checked, options.json)
  const done: Checked[] = []
  for (const [at, one] of all.entries()) done.push(await registerOne(registry, one, checked[at], options.compatibility))
  return shown(done, options.json)
}

async function registerOne(registry: Registry, one: Wanted, before: Checked, rule: Compatibility): Promise<Checked> {
  const { subject, schema } = one
  const set = (await registry.compatibility(subject)) === rule
  // Before the first version, too: a schema that slips in between is held against the rule.
  if (!set) await registry.setCompatibility(subject, rule)
  if (before.state === 'registered') return { ...before, compatibility: rule }
  try {
    const id = await registry.register(subject, compact(schema), rule)
    const version = (await registry.versions(subject)).find((each) => each.id === id)?.version ?? null
    return { ...before, state: 'registered', id, version, compatibility: rule }
  } catch (error) {
    if (!(error instanceof RegistryError) || error.status !== 409) throw error
    // Two versions of ours under one subject: the second is held against the first only now.
    const again = await checkOne(registry, one, rule)
    return again.state === 'incompatible' ? again : { ...again, state: 'incompatible', registry: error.reason }
  }
}

/** schemas list: every subject of the line, and which of its versions are ours. */
export async function list(options: SchemasOptions): Promise<number> {
  const { registry, topicPrefix } = opened(options)
  const rows: object[] = []
  for (const { subject, types } of subjectsOf(topicPrefix)) {
    const versions = await registry.versions(subject)
    const rule = versions.length === 0 ? null : await registry.compatibility(subject)
    for (const { version, id, schema } of versions) {
      const ours = types.find((type) => sameSchema(type.schema, schema))?.name ?? null
      rows.push({ subject, version, id, compatibility: rule, ours })
      if (options.json !== true) print(`${subject}  version ${version}  id ${id}  ${rule}  ${ours ?? nameIn(schema)}`)
    }
    if (versions.length === 0) {
      rows.push({ subject, version: null, id: null, compatibility: null, ours: null })
      if (options.json !== true) print(`${subject}  not registered`)
    }
  }
  if (options.json === true) printJson({ subjects: rows })
  return exitCodes.ok
}

function nameIn(schema: string): string {
  try {
    return `${parseSchema(schema).name}, a producer's`
  } catch {
    return "a producer's, not readable here"
  }
}

function shown(checked: readonly Checked[], json = false): number {
  const bad = checked.filter(({ state }) => state === 'incompatible')
  if (json) printJson({ ok: bad.length === 0, schemas: checked })
  else for (const one of checked) print(textOf(one))
  return bad.length === 0 ? exitCodes.ok : exitCodes.failed
}

const states = {
  registered: (one: Checked) => `registered as version ${one.version}, id ${one.id}, ${one.compatibility}`,
  compatible: (one: Checked) => `compatible with what is registered (${one.compatibility}); not registered yet`,
  new: () => 'not registered yet; nothing is in its way',
  incompatible: (one: Checked) => `INCOMPATIBLE${one.compatibility === '' ? '' : ` (${one.compatibility})`}`,
}

function textOf(one: Checked): string {
  const lines = [`${one.subject}  ${one.name}: ${states[one.state](one)}`]
  for (const { when, differences: found } of one.conflicts) {
    for (const { field, written, read, advice } of found) {
      lines.push(`  ${field}, when ${when}: it is written as ${written} and read as ${read}. ${advice}`)
    }
  }
  if (one.registry !== '') lines.push(`  The registry: ${one.registry}`)
  return lines.join('\n')
}
