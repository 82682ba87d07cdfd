/**
 * What a task finds when it takes over: fence first, then K and R, then every reason why they do not fit together.
 *
 * K and R both absent is a first start only where nobody was to make the task before (embedded); a line on a cluster is
 * made once (`createTasks`), and afterwards what is absent is lost. R absent while the log reaches back to its begin is
 * cured by processing everything again; K absent is not, for K says which outputs there are.
 */

import type { Backend, TaskState, Writer } from './backend.ts'
import { CodedError, FencedError } from './errors.ts'
import { Processor } from './processor.ts'
import type { TaskOptions } from './task.ts'

/** What the line was made with, where it was made beforehand. */
export interface Expected {
  /** Identity of the input topic. */
  readonly topicId?: string
}

export interface TakenOver {
  readonly writer: Writer
  readonly state: TaskState
  readonly bounds: { readonly start: number; readonly end: number }
  /** K and R. */
  readonly committed: number
  readonly stored: number
  /** What the operator should know; null mostly. */
  readonly warning: string | null
}

/** Metadata of a state that a snapshot is being restored into: as good as none until that is done. */
export const RESTORING = 'restoring'

type Options = Pick<TaskOptions, 'backend' | 'name' | 'at' | 'partitions' | 'expected'>

/** `opened` gets the writer as soon as it is there, whatever follows. */
export async function takeOver(options: Options, opened: (writer: Writer) => void): Promise<TakenOver> {
  const { backend, name, at, expected } = options
  const writer = await backend.log.writer(name)
  opened(writer)
  const { committed } = writer
  const found = await acquired(backend, name, committed !== null && committed.position > 0)
  const bounds = await backend.log.bounds(at)
  const [to, from] = [committed?.position ?? 0, found.header?.position ?? 0]
  const where = `${name}: K = ${committed?.position ?? 'none'}, R = ${found.header?.position ?? 'none'}, log ${bounds.start} to ${bounds.end}`
  if (expected !== undefined) {
    await assertExpected(options, expected)
    if (committed === null && found.header === null) throw new CodedError('SLUICE_TASK_UNKNOWN', where)
  }
  if (from > to || (committed === null && found.header !== null && expected !== undefined)) {
    await assertNotOvertaken(backend, name, from)
    throw new CodedError(committed === null ? 'SLUICE_LEDGER_LOST' : 'SLUICE_STATE_AHEAD', where)
  }
  if (from < bounds.start) throw new CodedError('SLUICE_RETENTION_PASSED', where)
  if (to > bounds.end) throw new CodedError('SLUICE_LOG_TRUNCATED', where)
  const gone = `${where}: the stored state is gone, or not whole; all of its input is processed again, from the begin of the log`
  const warning = found.header === null && to > 0 ? gone : null
  return { writer, bounds, state: found, committed: to, stored: from, warning }
}

/** The state, without what a restore or a loss has left of it: nothing says what that stands for. */
async function acquired(backend: Backend, name: string, begun: boolean): Promise<TaskState> {
  const found = await backend.state.acquire(name)
  const restoring = found.header?.metadata === RESTORING
  const left = found.header === null && begun && (await found.kinds()).length > 0
  if (!restoring && !left) return found
  await backend.state.drop(name)
  // Whoever was here before may have written it again meanwhile: what counts is what is found now.
  return backend.state.acquire(name)
}

async function assertExpected({ backend, at, name, partitions }: Options, { topicId }: Expected): Promise<void> {
  const count = await backend.log.partitions(at.topic)
  if (at.partition >= count || (at.partition > 0 && count !== partitions)) {
    throw new CodedError('SLUICE_TOPIC_PARTITIONS', `${name}: topic ${at.topic} has ${count} partitions`)
  }
  const id = await backend.log.topicId(at.topic)
  if (topicId === undefined || id === topicId) return
  throw new CodedError(
    'SLUICE_TOPIC_REPLACED',
    `${name}: topic ${at.topic} has id ${id}, the line was made with ${topicId}`,
  )
}

/** Who was fenced between reading K and R sees R > K though all is well: the other one has committed what R stands for. */
async function assertNotOvertaken(backend: Backend, name: string, stored: number): Promise<void> {
  const now = await backend.log.peek(name)
  if (now !== null && now.position >= stored) throw new FencedError(name)
}

/**
 * Writes the begin of every task into the log's ledger and into its state: position 0. What is there stays as it is, so
 * that it may be called again when it did not come to its end.
 */
export async function createTasks(backend: Backend, tasks: readonly Omit<TaskOptions, 'backend'>[]): Promise<void> {
  for (const options of tasks) {
    const metadata = new Processor(options).metadata()
    const writer = await backend.log.writer(options.name)
    if (writer.committed === null) await writer.commit({ appends: [], position: 0, metadata })
    await writer.close()
    const state = await backend.state.acquire(options.name)
    if (state.header !== null || (writer.committed?.position ?? 0) > 0) continue
    await state.apply({ from: 0, to: 0, metadata, puts: [], removes: [], dropKinds: [] })
  }
}
