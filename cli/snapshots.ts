/** snapshots: states of tasks as files, of a data directory or of a line on Kafka: take, list, restore. */

import {
  CodedError,
  listSnapshots,
  restoreSnapshot,
  takeStored,
  verifySnapshot,
  type Backend,
  type SnapshotFile,
} from '../streams/index.ts'
import { openCluster } from './cluster.ts'
import { configurationOf, type ConfigurationFlags } from './configuration/flags.ts'
import { lineTasks, logicVersion, openDirectory, type Line } from './engine.ts'
import { exitCodes, print, printJson, say } from './output.ts'

interface SnapshotOptions extends ConfigurationFlags {
  readonly directory: string
  readonly data: string
  readonly json?: boolean
}

/** Kafka is chosen when brokers are configured; else the data directory. */
async function opened<Result>(options: SnapshotOptions, use: (line: Line) => Promise<Result>): Promise<Result> {
  const configuration = configurationOf(options)
  const line =
    configuration.kafka.brokers.length > 0
      ? await openCluster(configuration)
      : await openDirectory({ directory: options.data })
  try {
    return await use(line)
  } finally {
    await line.backend.close()
  }
}

export function take(options: SnapshotOptions): Promise<number> {
  return opened(options, async ({ backend, settings }) => {
    const files: SnapshotFile[] = []
    for (const task of lineTasks(settings)) {
      files.push(await takeStored(options.directory, backend, logicVersion, task))
    }
    show(files, options)
    return exitCodes.ok
  })
}

export async function list(options: SnapshotOptions): Promise<number> {
  const files = await listSnapshots(options.directory)
  let faults = 0
  for (const { path } of files) {
    await verifySnapshot(path).catch((error: unknown) => {
      faults++
      say((error as Error).message)
    })
  }
  show(files, options)
  return faults === 0 ? exitCodes.ok : exitCodes.fault
}

export function restore(options: SnapshotOptions): Promise<number> {
  return opened(options, async ({ backend, settings }) => {
    const files = await listSnapshots(options.directory)
    const restored: SnapshotFile[] = []
    let missing = 0
    for (const task of lineTasks(settings)) {
      const { header } = await backend.state.peek(task.name, '-')
      if (header !== null && header.position > 0) {
        say(`${task.name}: its state stands at ${header.position}; nothing to restore.`)
        continue
      }
      const found = await newest(backend, files, task)
      if (found === null) missing++
      else restored.push(found)
    }
    show(restored, options)
    return missing === 0 ? exitCodes.ok : exitCodes.fault
  })
}

/** Restores the newest of a task that fits; says why the newer ones do not. */
async function newest(
  backend: Backend,
  files: readonly SnapshotFile[],
  task: ReturnType<typeof lineTasks>[number],
): Promise<SnapshotFile | null> {
  for (const file of files.filter(({ header }) => header.task === task.name)) {
    try {
      await restoreSnapshot(backend, file.path, logicVersion, task)
      return file
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== 'SLUICE_SNAPSHOT_UNFIT') throw error
      say(error.message)
    }
  }
  say(`${task.name}: no snapshot that fits.`)
  return null
}

function show(files: readonly SnapshotFile[], { json }: SnapshotOptions): void {
  if (json === true) return printJson({ snapshots: files.map(({ header, ...file }) => ({ ...file, ...header })) })
  for (const { path, header, bytes } of files) {
    print(`${header.task} at ${header.position}: ${header.entries} entries, ${bytes} bytes, ${path}`)
  }
}
