/**
 * What is fixed when a data directory is created: versions, settings, the key of the identity hash.
 *
 * `manifest.json` is written once, after the environment holds the same directory id durably, and only ever read again.
 * So a directory with a manifest is complete, and one whose environment was lost or exchanged is noticed.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CodedError, LogicVersionError } from '../errors.ts'

/** Format of the directory: keys and values of the environment, files beside it. */
export const formatVersion = 1

export type Setting = string | number | boolean

export interface Manifest {
  readonly formatVersion: number
  /** Random id of this directory; the environment holds it too. */
  readonly directoryId: string
  readonly logicVersion: string
  readonly ruleVersion: string
  /** 32 hex digits: the key under which identities are hashed, so that nobody can make collisions from outside. */
  readonly hashKey: string
  /** Everything else that is fixed: number of partitions, scheme name, times. */
  readonly settings: Readonly<Record<string, Setting>>
}

export interface ManifestOptions {
  readonly logicVersion: string
  readonly ruleVersion: string
  /** Given by the user: recorded at creation; afterwards each must equal the recorded one. */
  readonly settings?: Readonly<Record<string, Setting>>
  /** Recorded at creation for what the user did not give; not looked at afterwards. */
  readonly defaults?: Readonly<Record<string, Setting>>
}

/** The manifest of a directory, without locking it; null when there is none. */
export function readManifest(directory: string): Manifest | null {
  const file = join(directory, 'manifest.json')
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return null
    throw new CodedError('SLUICE_READ_ONLY', `${file}: ${String(error)}`, { cause: error })
  }
  try {
    return JSON.parse(text) as Manifest
  } catch (error) {
    throw new CodedError('SLUICE_STORE_DAMAGED', `${file} is not JSON`, { cause: error })
  }
}

export function newManifest(options: ManifestOptions, directoryId: string = randomUUID()): Manifest {
  return {
    formatVersion,
    directoryId,
    logicVersion: options.logicVersion,
    ruleVersion: options.ruleVersion,
    hashKey: randomBytes(16).toString('hex'),
    settings: { ...options.defaults, ...options.settings },
  }
}

/** Writes the manifest durably, whole or not at all. */
export function writeManifest(directory: string, manifest: Manifest): void {
  const file = join(directory, 'manifest.json')
  const handle = openSync(`${file}.new`, 'w', 0o600)
  try {
    writeFileSync(handle, `${JSON.stringify(manifest, null, 2)}\n`)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  renameSync(`${file}.new`, file)
  const parent = openSync(directory, 'r')
  try {
    fsyncSync(parent)
  } finally {
    closeSync(parent)
  }
}

/** Refuses a manifest that this program, or these settings, do not fit. All differing settings are named at once. */
export function checkManifest(directory: string, manifest: Manifest, options: ManifestOptions): void {
  if (manifest.formatVersion !== formatVersion) {
    const detail = `${directory} has format ${manifest.formatVersion}, this program writes format ${formatVersion}`
    throw new CodedError('SLUICE_FORMAT_VERSION', detail)
  }
  if (manifest.logicVersion !== options.logicVersion) {
    const detail = `${directory} has logic version ${manifest.logicVersion}, this program has ${options.logicVersion}`
    throw new LogicVersionError(detail)
  }
  if (manifest.ruleVersion !== options.ruleVersion) {
    const detail = `${directory} has rule version ${manifest.ruleVersion}, this program has ${options.ruleVersion}`
    throw new CodedError('SLUICE_RULE_VERSION', detail)
  }
  const differing = Object.entries(options.settings ?? {}).filter(([name, value]) => manifest.settings[name] !== value)
  if (differing.length > 0) {
    const list = differing.map(([name, value]) => `${name} is ${manifest.settings[name] ?? 'absent'}, given ${value}`)
    throw new CodedError('SLUICE_SETTING_DIFFERS', `${directory}: ${list.join('; ')}`)
  }
}
