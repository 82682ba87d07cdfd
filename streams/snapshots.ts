/** A directory of snapshots: taken while tasks run, kept by count and age, restored into a store that has lost a task. */

import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Backend, TaskState, TopicPartition } from './backend.ts'
import { CodedError } from './errors.ts'
import { readEntries, readHeader, verifySnapshot, writeSnapshot } from './snapshot.ts'
import type { SnapshotHeader, SnapshotOf } from './snapshot.ts'
import { RESTORING } from './takeover.ts'
import type { Task } from './task.ts'

export interface SnapshotFile {
  readonly path: string
  readonly header: SnapshotHeader
  readonly bytes: number
  /** Milliseconds since 1970, of the file. */
  readonly takenAt: number
}

/** The newest `count` of each task are kept, and all that are younger than `ageMs`. */
export interface Keep {
  readonly count: number
  readonly ageMs: number
}

const ENDING = '.snapshot'
/** Entries per delta: some megabytes at most. */
const RESTORE_ENTRIES = 4_000

/** What snapshots of a task are of. */
export async function snapshotOf(
  backend: Backend,
  logicVersion: string,
  { name, at }: { readonly name: string; readonly at: TopicPartition },
): Promise<SnapshotOf> {
  const [topicId, partitions] = [await backend.log.topicId(at.topic), await backend.log.partitions(at.topic)]
  return { task: name, logicVersion, topicId, partitions }
}

/** Takes one of a running task, which goes on meanwhile. Its stored state stands still; it is written behind after. */
export async function takeSnapshot(directory: string, logicVersion: string, task: Task): Promise<SnapshotFile> {
  const of = await snapshotOf(task.options.backend, logicVersion, { name: task.name, at: task.options.at })
  return task.whileStored((state) => write(directory, of, state))
}

/**
 * Takes one of a task that does not run here: takes its stored state over for that. An owner elsewhere is fenced by it,
 * and comes back a second later.
 */
export async function takeStored(
  directory: string,
  backend: Backend,
  logicVersion: string,
  task: { readonly name: string; readonly at: TopicPartition },
): Promise<SnapshotFile> {
  const of = await snapshotOf(backend, logicVersion, task)
  return write(directory, of, await backend.state.acquire(task.name))
}

async function write(directory: string, of: SnapshotOf, state: TaskState): Promise<SnapshotFile> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const position = (await state.read([])).header?.position ?? 0
  const path = join(directory, `${encodeURIComponent(of.task)}-${String(position).padStart(15, '0')}${ENDING}`)
  return fileOf(path, await writeSnapshot(path, of, state))
}

export interface SnapshotSchedule {
  readonly directory: string
  readonly logicVersion: string
  readonly everyMs: number
  readonly keep: Keep
  /** Told of every one that was taken, and of every try that failed. */
  readonly taken?: (task: string, result: SnapshotFile | Error) => void
}

/** Takes snapshots of the tasks that run, now and then, until it is stopped. */
export function scheduleSnapshots(
  backend: Backend,
  tasks: () => Iterable<Task>,
  { directory, logicVersion, everyMs, keep, taken }: SnapshotSchedule,
): { stop(): Promise<void> } {
  const stopping = new AbortController()
  const { signal } = stopping
  const run = async (): Promise<void> => {
    for (;;) {
      await sleep(everyMs, undefined, { signal }).catch(() => undefined)
      for (const task of tasks()) {
        if (signal.aborted) return
        const result = await takeSnapshot(directory, logicVersion, task).catch((error: unknown) => error as Error)
        taken?.(task.name, result)
      }
      if (signal.aborted) return
      await pruneSnapshots(directory, backend.clock.now(), keep)
    }
  }
  const running = run().catch((error: unknown) => taken?.('', error as Error))
  return {
    async stop() {
      stopping.abort()
      await running
    },
  }
}

/** Every snapshot in a directory, the newest of each task first. */
export async function listSnapshots(directory: string): Promise<SnapshotFile[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    if ((error as { code?: string }).code === 'ENOENT') return []
    throw error
  })
  const paths = names.filter((name) => name.endsWith(ENDING)).map((name) => join(directory, name))
  const files = await Promise.all(paths.map(async (path) => fileOf(path, await readHeader(path))))
  const order = (a: SnapshotFile, b: SnapshotFile): number => b.header.position - a.header.position
  return files.sort((a, b) => (a.header.task < b.header.task ? -1 : a.header.task > b.header.task ? 1 : order(a, b)))
}

async function fileOf(path: string, header: SnapshotHeader): Promise<SnapshotFile> {
  const { size, mtimeMs } = await stat(path)
  return { path, header, bytes: size, takenAt: mtimeMs }
}

/** Removes what is neither among the newest nor young; returns what it removed. */
export async function pruneSnapshots(directory: string, now: number, keep: Keep): Promise<SnapshotFile[]> {
  const seen = new Map<string, number>()
  const removed: SnapshotFile[] = []
  for (const file of await listSnapshots(directory)) {
    const place = seen.get(file.header.task) ?? 0
    seen.set(file.header.task, place + 1)
    if (place < keep.count || now - file.takenAt < keep.ageMs) continue
    await rm(file.path)
    removed.push(file)
  }
  return removed
}

/** Whether a task can go on from a position, and why not. */
async function assertFits(backend: Backend, file: string, header: SnapshotHeader, of: SnapshotOf, at: TopicPartition) {
  const unfit = (detail: string): CodedError => new CodedError('SLUICE_SNAPSHOT_UNFIT', `${file}: ${detail}`)
  for (const name of ['task', 'logicVersion', 'topicId', 'partitions'] as const) {
    if (header[name] !== of[name]) throw unfit(`its ${name} is ${header[name]}, here it is ${of[name]}`)
  }
  const { start } = await backend.log.bounds(at)
  const committed = (await backend.log.peek(of.task))?.position ?? 0
  if (header.position < start) throw unfit(`it stands at ${header.position}, the log begins at ${start}`)
  if (header.position > committed) throw unfit(`it stands at ${header.position}, committed is ${committed}`)
}

/**
 * Puts a snapshot into a store that has no state of the task. An owner that runs is fenced; a restore that breaks off
 * leaves what counts as no state. Errors: SLUICE_SNAPSHOT_UNFIT, SLUICE_SNAPSHOT_NOT_NEEDED.
 */
export async function restoreSnapshot(
  backend: Backend,
  path: string,
  logicVersion: string,
  task: { readonly name: string; readonly at: TopicPartition },
): Promise<SnapshotHeader> {
  const header = await verifySnapshot(path)
  await assertFits(backend, path, header, await snapshotOf(backend, logicVersion, task), task.at)
  const before = await backend.state.peek(task.name, '-')
  if (before.header !== null && before.header.metadata !== RESTORING) {
    throw new CodedError('SLUICE_SNAPSHOT_NOT_NEEDED', `${task.name}: its state stands at ${before.header.position}`)
  }
  await backend.state.drop(task.name)
  const state = await backend.state.acquire(task.name)
  const nothing = { puts: [], removes: [], dropKinds: [] }
  const apply = async (delta: Parameters<typeof state.apply>[0]): Promise<void> => {
    const { result } = await state.apply(delta)
    if (result !== 'applied') throw new CodedError('SLUICE_STATE_MOVED', `${task.name}: a restored part was ${result}`)
  }
  await apply({ from: 0, to: 0, metadata: RESTORING, ...nothing })
  for await (const entries of readEntries(path)) {
    for (let at = 0; at < entries.length; at += RESTORE_ENTRIES) {
      const puts = entries.slice(at, at + RESTORE_ENTRIES)
      await apply({ from: 0, to: 0, metadata: RESTORING, ...nothing, puts })
    }
  }
  await apply({ from: 0, to: header.position, metadata: header.metadata, ...nothing })
  return header
}
