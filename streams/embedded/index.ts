/**
 * The embedded backend: log, state and ledger in one LMDB environment, in one locked directory, in one process.
 *
 * Files of the directory (mode 0700): data.mdb and lock.mdb (LMDB), manifest.json (what is fixed), lock.db and
 * holder.json (who has it open). The fence of writers and owners holds within the process; the lock makes it the only one.
 */
import { chmodSync, mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { open } from 'lmdb'
import type { Backend, Clock, TopicPartition } from '../backend.ts'
import { CodedError, codedStoreError } from '../errors.ts'
import { systemClock } from './clock.ts'
import { localGroup } from './group.ts'
import { keyEncoder, metaKey } from './keys.ts'
import { lockDirectory, type DirectoryLock } from './lock.ts'
import { EmbeddedLog } from './log.ts'
import { CommitLoop, type Root, type Store, type StoreKey } from './loop.ts'
import {
  checkManifest,
  newManifest,
  readManifest,
  writeManifest,
  type Manifest,
  type ManifestOptions,
} from './manifest.ts'
import { assertEnvironment, Room } from './room.ts'
import { ResidentMap } from './resident.ts'
import { EmbeddedState } from './state.ts'

export { readHolder, type Holder } from './lock.ts'
export { readManifest, type Manifest, type Setting } from './manifest.ts'

/**
 * Address space mapped at first: LMDB maps anew, twice as large, when the data outgrow it, and keeps the old maps until
 * it is closed. So this is no limit; it is only large enough that most runs never map twice. No disk space is taken.
 */
const MAP_BYTES = 4 * 1024 ** 3

/**
 * With many accounts a payment changes three entries (its identity, the account, the account in its currency): at 50,000
 * nearly every one of them was written for itself, which took a quarter of the CPU from log to state. Four times as many
 * meet the same accounts again. It bounds what a recovery processes again (200,000 payments, about a second) and the
 * memory of a delta (some 30 MB).
 */
const DELTA_ENTRIES = 200_000

export interface EmbeddedOptions extends ManifestOptions {
  readonly directory: string
  /** Make the log when there is none (default); false: SLUICE_DIRECTORY_MISSING. */
  readonly create?: boolean
  /** HTTP endpoint of this process, for others that find the directory locked. */
  readonly endpoint?: string | null
  /** What the data file may grow to, in bytes; beyond it everything is refused (DiskFullError). No limit when absent. */
  readonly maxBytes?: number
  /** Address space mapped at first, in bytes; 4 GiB when absent. Doubled by itself when the data outgrow it. */
  readonly mapBytes?: number
  readonly clock?: Clock
}

export interface EmbeddedBackend extends Backend {
  readonly directory: string
  readonly manifest: Manifest
  /** Tells commands that find the directory locked where to talk to. */
  setEndpoint(endpoint: string | null): void
  /** Retention: forgets whole entries before an offset; returns the new start. Never trim past R of a task that reads it. */
  trim(at: TopicPartition, before: number): Promise<number>
  /** Bytes of the data file, those of them that hold data or were freed, and durable transactions since opening. */
  usage(): { readonly bytes: number; readonly used: number; readonly transactions: number }
}

/**
 * Opens a data directory, making it when there is none.
 * Errors: LockedError, LogicVersionError, SLUICE_FORMAT_VERSION, SLUICE_RULE_VERSION, SLUICE_SETTING_DIFFERS,
 * SLUICE_DIRECTORY_MISSING, SLUICE_READ_ONLY, DiskFullError, SLUICE_STORE_DAMAGED.
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<EmbeddedBackend> {
  const { directory } = options
  // Before anything is touched, so that the reason is the user's and not the lock's.
  const found = readManifest(directory)
  if (found !== null) checkManifest(directory, found, options)
  else if (options.create === false) throw new CodedError('SLUICE_DIRECTORY_MISSING', directory)
  try {
    makeDirectory(directory)
    // An existing directory, or a lax umask: payments are nobody else's business.
    if ((statSync(directory).mode & 0o777) !== 0o700) chmodSync(directory, 0o700)
  } catch (error) {
    throw codedStoreError(error, directory)
  }
  const lock = await lockDirectory(directory, options.endpoint ?? null)
  let root: Root | undefined
  try {
    assertEnvironment(join(directory, 'data.mdb'))
    root = openEnvironment(directory, options.mapBytes ?? MAP_BYTES)
    return assemble(options, lock, root)
  } catch (error) {
    await root?.close()
    lock.release()
    throw codedStoreError(error, directory)
  }
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
  } catch (error) {
    // The recursive form hides why it failed (ENOENT on a read-only file system); the plain one says it.
    if ((error as { code?: string }).code !== 'ENOENT') throw error
    mkdirSync(directory, { mode: 0o700 })
  }
}

function openEnvironment(directory: string, mapSize: number): Root {
  // `permissionsMode` and `keyEncoder` are options of lmdb that its types leave out.
  const options = {
    path: directory,
    noSubdir: false,
    mapSize,
    maxDbs: 4,
    permissionsMode: 0o600,
    encoding: 'binary' as const,
    keyEncoder,
    // A batch is answered when it is durable; with overlapping sync it would be answered when it is visible.
    overlappingSync: false,
    // A transaction is what one call of `batch` holds, not what one turn of the event loop holds.
    eventTurnBatching: false,
    commitDelay: 0,
  }
  return open<Uint8Array, StoreKey>(options)
}

function assemble(options: EmbeddedOptions, lock: DirectoryLock, root: Root): EmbeddedBackend {
  const { directory } = options
  const database = (name: string): Store => {
    return root.openDB<Uint8Array, StoreKey>(name, { encoding: 'binary', keyEncoder } as { encoding: 'binary' })
  }
  const [meta, entries, stateEntries] = [database('meta'), database('log'), database('state')]
  const manifest = reconcile(options, root, meta)
  const file = join(directory, 'data.mdb')
  const room = new Room(file, root, [meta, entries, stateEntries], options.maxBytes ?? Infinity)
  const loop = new CommitLoop(root, file, room, new ResidentMap(file))
  const log = new EmbeddedLog(meta, entries, loop)
  const state = new EmbeddedState(root, meta, stateEntries, loop)
  let closing: Promise<void> | undefined
  return {
    name: 'embedded',
    directory,
    manifest,
    log,
    state,
    group: localGroup(),
    clock: options.clock ?? systemClock,
    deltaEntries: DELTA_ENTRIES,
    setEndpoint: (endpoint) => lock.setEndpoint(endpoint),
    trim: (at, before) => log.trim(at, before),
    usage: () => ({ bytes: room.size, used: room.used, transactions: loop.transactions }),
    close: () =>
      (closing ??= (async () => {
        log.close()
        state.close()
        try {
          await loop.close()
          room.close()
          await root.close()
        } finally {
          lock.release()
        }
      })()),
  }
}

/** Brings manifest and environment together: both new, both old, or the remains of a creation that was cut short. */
function reconcile(options: EmbeddedOptions, root: Root, meta: Store): Manifest {
  const { directory } = options
  const key = metaKey('directory', 'id')
  const stored = meta.get(key)
  const inside = stored === undefined ? undefined : new TextDecoder().decode(stored)
  const found = readManifest(directory)
  if (found !== null) {
    checkManifest(directory, found, options)
    if (inside !== found.directoryId) {
      const detail = `${directory}: data.mdb is of log ${inside ?? 'none'}, manifest.json of log ${found.directoryId}`
      throw new CodedError('SLUICE_STORE_DAMAGED', detail)
    }
    return found
  }
  if (meta.getKeysCount({ limit: 2 }) > 1) {
    throw new CodedError('SLUICE_STORE_DAMAGED', `${directory} has data but no manifest.json`)
  }
  const manifest = newManifest(options, inside)
  // A synchronous transaction is allowed here alone: nothing is being written yet. It is durable when it returns.
  if (inside === undefined)
    meta.transactionSync(() => meta.putSync(key, new TextEncoder().encode(manifest.directoryId)))
  writeManifest(directory, manifest)
  return manifest
}
