/**
 * Reads the configuration: flags before the environment before the file before the defaults, all faults at once.
 *
 * The environment belongs to many programs, so a name there that we do not know is left alone unless it is nearly one of
 * ours, which is a slip of the pen. In the file everything has to be known.
 */

import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { UsageError } from '../output.ts'
import { Refused } from './key.ts'
import { nearest } from './nearest.ts'
import { keys, type Configuration, type NamedKey } from './schema.ts'

export interface Sources {
  /** Path of a YAML or JSON file; SLUICE_CONFIG when absent. */
  readonly file?: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** By the path of the key. */
  readonly flags?: Readonly<Record<string, unknown>>
}

/** How far a name may be from one of ours to be taken for a slip; SLUICE_REDIS_PORT, which Kubernetes makes, is 3 away. */
const SLIPS = { environment: 2, file: 3 }

/** A value and where it came from, in words. */
export interface Origin {
  readonly value: unknown
  readonly from: string
}

export interface Loaded {
  readonly configuration: Configuration
  /** By the path of the key; absent where the default holds. */
  readonly origins: ReadonlyMap<string, string>
}

/** What is wrong with the configuration, every fault a line. */
export class ConfigurationError extends UsageError {
  readonly faults: readonly string[]
  constructor(faults: readonly string[]) {
    super(
      `The configuration has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`,
    )
    this.faults = faults
  }
}

/** Errors: ConfigurationError, with every fault. */
export function loadConfiguration(sources: Sources): Configuration {
  return loadWithOrigins(sources).configuration
}

/** The same, with where each value came from. */
export function loadWithOrigins({ file, env, flags = {} }: Sources): Loaded {
  const faults: string[] = []
  const path = file ?? env['SLUICE_CONFIG']
  const fromFile = path === undefined || path === '' ? new Map<string, Origin>() : readFile(path, faults)
  faults.push(...misspelt(env))
  const values = new Map<string, unknown>()
  const origins = new Map<string, string>()
  for (const key of keys) {
    const found = fromFlag(key, flags) ?? fromEnvironment(key, env, faults) ?? fromFile.get(key.path)
    values.set(key.path, key.fallback)
    if (found === undefined) continue
    const value = key.read(found.value)
    if (value instanceof Refused) faults.push(refusal(key, found, value))
    else {
      values.set(key.path, value)
      origins.set(key.path, found.from)
    }
  }
  if (faults.length === 0) faults.push(...contradictions(values))
  if (faults.length > 0) throw new ConfigurationError(faults)
  return { configuration: nested(values), origins }
}

const fromFlag = ({ path, flag }: NamedKey, flags: Readonly<Record<string, unknown>>): Origin | undefined =>
  flags[path] === undefined ? undefined : { value: flags[path], from: flag }

function fromEnvironment({ env: name, secret }: NamedKey, env: Sources['env'], faults: string[]): Origin | undefined {
  const fileName = `${name}_FILE`
  const [value, path] = [env[name] ?? '', secret ? (env[fileName] ?? '') : '']
  if (value !== '' && path !== '') faults.push(`${name} and ${fileName} are both set: one of them is enough`)
  if (path === '') return value === '' ? undefined : { value, from: name }
  try {
    return { value: readFileSync(path, 'utf8').replace(/\r?\n$/, ''), from: fileName }
  } catch (error) {
    faults.push(`${fileName}: ${(error as Error).message}`)
    return undefined
  }
}

const refusal = ({ path, secret, allowed }: NamedKey, { value, from }: Origin, { why }: Refused): string => {
  const text = typeof value === 'string' ? `'${value}'` : JSON.stringify(value)
  const shown = secret ? 'the value' : withoutPassword(text)
  return `${path} (${from}): ${shown} ${why}; allowed: ${allowed}`
}

/** What is no address may be meant as one, with a password in it: then nothing before the last @ is shown. */
function withoutPassword(text: string): string {
  const masked = text.replace(/(:\/\/[^:/@]*:)[^@/]*@/, '$1***@')
  return masked.includes('***@') ? masked : text.replace(/(['"])[^'"]*@/g, '$1***@')
}

/** Names of the environment that are nearly one of ours. */
function misspelt(env: Sources['env']): string[] {
  const known = new Set([
    ...keys.flatMap(({ env: name, secret }) => (secret ? [name, `${name}_FILE`] : [name])),
    ...other,
  ])
  return Object.keys(env)
    .filter((name) => name.startsWith('SLUICE_') && !known.has(name))
    .flatMap((name) => {
      const near = nearest(name, known, SLIPS.environment)
      return near === null ? [] : [`${name} (environment): unknown; did you mean ${near}?`]
    })
}

/** What else of ours is read from the environment. */
const other = ['SLUICE_CONFIG', 'SLUICE_DATA', 'SLUICE_TRACE', 'SLUICE_API_KEY']

/** Values of a file by key; what it has besides is a fault. */
function readFile(path: string, faults: string[]): Map<string, Origin> {
  const values = new Map<string, Origin>()
  let content: unknown
  try {
    content = parse(readFileSync(path, 'utf8'))
  } catch (error) {
    faults.push(`${path}: ${(error as Error).message.trim()}`)
    return values
  }
  const known = new Map(keys.map((key) => [key.path, key]))
  const groups = new Set(
    keys.flatMap(({ path: of }) =>
      of
        .split('.')
        .slice(0, -1)
        .map((_, i, all) => all.slice(0, i + 1).join('.')),
    ),
  )
  const walk = (tree: unknown, above: string): void => {
    if (typeof tree !== 'object' || tree === null || Array.isArray(tree)) {
      if (tree !== null && tree !== undefined)
        faults.push(`${above === '' ? 'the whole' : above} (${path}): is not a group of keys`)
      return
    }
    for (const [name, value] of Object.entries(tree)) {
      const at = above === '' ? name : `${above}.${name}`
      if (known.has(at)) {
        // A key without a value is a key that is not given.
        if (value !== null) values.set(at, { value, from: path })
      } else if (groups.has(at)) walk(value, at)
      else {
        const near = nearest(at, [...known.keys(), ...groups], SLIPS.file)
        faults.push(`${at} (${path}): unknown${near === null ? '' : `; did you mean ${near}?`}`)
      }
    }
  }
  walk(content, '')
  return values
}

/** What fits by itself and not together. */
function contradictions(values: ReadonlyMap<string, unknown>): string[] {
  const given = (path: string): boolean => !['', false, undefined].includes(values.get(path) as string)
  const faults: string[] = []
  const together = (one: string, other: string): void => {
    if (given(one) && !given(other)) faults.push(`${one} is given without ${other}`)
  }
  if ((values.get('kafka.brokers') as readonly string[]).length > 0 && !given('redis.url')) {
    faults.push('kafka.brokers is given without redis.url: the log on Kafka keeps its state on Redis')
  }
  for (const service of ['kafka', 'redis']) {
    together(`${service}.tls.cert`, `${service}.tls.key`)
    together(`${service}.tls.key`, `${service}.tls.cert`)
    for (const name of ['ca', 'cert']) together(`${service}.tls.${name}`, `${service}.tls.enabled`)
  }
  for (const name of ['username', 'password']) together('kafka.sasl.mechanism', `kafka.sasl.${name}`)
  for (const name of ['username', 'password']) together(`kafka.sasl.${name}`, 'kafka.sasl.mechanism')
  together('redis.username', 'redis.password')
  together('registry.password', 'registry.username')
  together('clickhouse.password', 'clickhouse.user')
  together('clickhouse.analyst.password', 'clickhouse.analyst.user')
  return faults
}

function nested(values: ReadonlyMap<string, unknown>): Configuration {
  const tree: Record<string, unknown> = {}
  for (const [path, value] of values) {
    const parts = path.split('.')
    let group = tree
    for (const part of parts.slice(0, -1)) group = (group[part] ??= {}) as Record<string, unknown>
    group[parts[parts.length - 1]] = value
  }
  return tree as unknown as Configuration
}
