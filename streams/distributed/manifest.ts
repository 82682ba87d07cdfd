/**
 * What is fixed when a line is made on a cluster: versions, settings, the key of the identity hash, ids of topics and
 * schemas. It is the first record of the topic PREFIX-manifest, which is kept for ever; later ones of its kind are not read.
 *
 * M1  Only `initLine` writes it, under a writer's fence: of two that run at once one is fenced, and the other goes on.
 * M2  The second record says that everything else of the line was made. Before it the line is not opened, and making it
 *     may go on; after it nothing is made any more, so that a line that lost something is never taken for a new one.
 */
import type { Clock, Log } from '../backend.ts'
import { checkManifest, newManifest, type Manifest, type ManifestOptions } from '../embedded/manifest.ts'
import { CodedError } from '../errors.ts'
import { newFrame, RecordBatchWriter, walk } from '../records.ts'
import { manifestTopic } from './names.ts'

export interface LineManifest extends Manifest {
  /** Identity of every topic of the line: another one after it was deleted and made again. */
  readonly topicIds: Readonly<Record<string, string>>
  /** Ids in wire prefixes, by record type; null: the pinned ones. */
  readonly schemaIds: Readonly<Record<string, number>> | null
}

export interface LineOptions extends ManifestOptions {
  /** Ids in wire prefixes when the line is made; they must agree afterwards, when given. */
  readonly schemaIds?: Readonly<Record<string, number>> | null
}

/** Where a line stands: its manifest, and whether everything else was made. */
export interface Line {
  readonly manifest: LineManifest | null
  readonly ready: boolean
}

const utf8 = { encode: new TextEncoder(), decode: new TextDecoder() }

/** Reads where a line stands. `own`: the log with the topics of the backend's own. */
export async function readLine(own: Log, prefix: string): Promise<Line> {
  const at = { topic: manifestTopic(prefix), partition: 0 }
  let bounds
  try {
    bounds = await own.bounds(at)
  } catch (error) {
    if (error instanceof CodedError && error.code === 'SLUICE_TOPIC_UNKNOWN') return { manifest: null, ready: false }
    throw error
  }
  const frame = newFrame(16)
  let manifest: LineManifest | null = null
  let ready = false
  for (let offset = bounds.start; offset < bounds.end;) {
    const { bytes, nextOffset } = await own.read(at, offset, 1 << 20, 0)
    walk(bytes, offset, frame, at.topic)
    for (let row = 0; row < frame.rows; row++) {
      const value = utf8.decode.decode(bytes.subarray(frame.valueOffsets[row], frame.valueEnds[row]))
      const key = utf8.decode.decode(
        bytes.subarray(frame.keyOffsets[row], frame.keyOffsets[row] + frame.keyLengths[row]),
      )
      if (key === 'manifest') manifest ??= JSON.parse(value) as LineManifest
      if (key === 'ready') ready = true
    }
    if (nextOffset <= offset) break
    offset = nextOffset
  }
  return { manifest, ready }
}

export interface Making {
  readonly prefix: string
  readonly options: LineOptions
  readonly clock: Clock
  /** The topics of the backend's own, the manifest's among them. */
  readonly own: Log & { createOwn(name: string, partitions: number): Promise<void> }
  /** Makes the topics of the line and returns their ids. */
  readonly topics: (manifest: Manifest) => Promise<Readonly<Record<string, string>>>
  /** Makes the rest (ledgers and states at their beginning). May run twice before the line is ready. */
  readonly rest: (manifest: LineManifest) => Promise<void>
}

/**
 * Makes a line, or finishes making it, or finds it made. Errors: those of checkManifest when it was made otherwise,
 * SLUICE_FENCED when another process makes it at the same time.
 */
export async function initLine(making: Making): Promise<{ manifest: LineManifest; made: boolean }> {
  const { prefix, options, own } = making
  await own.createOwn(manifestTopic(prefix), 1)
  const writer = await own.writer('init')
  try {
    // Read behind the fence: nobody writes any more but we.
    const before = await readLine(own, prefix)
    if (before.manifest !== null) checkLine(prefix, before.manifest, options)
    if (before.manifest !== null && before.ready) return { manifest: before.manifest, made: false }
    const put = async (key: string, value: object): Promise<void> => {
      const batch = new RecordBatchWriter()
      const bytes = utf8.encode.encode(key)
      const now = making.clock.now()
      batch.begin(now)
      batch.append(now, bytes, 0, bytes.length, utf8.encode.encode(JSON.stringify(value)))
      const appends = [{ topic: manifestTopic(prefix), partition: 0, batches: batch.finish() }]
      await writer.commit({ appends, position: -1, metadata: key })
    }
    let { manifest } = before
    if (manifest === null) {
      const plain = newManifest(options)
      const topicIds = await making.topics(plain)
      manifest = { ...plain, topicIds, schemaIds: options.schemaIds ?? null }
      await put('manifest', manifest)
    }
    await making.rest(manifest)
    await put('ready', { manifest: manifest.directoryId })
    return { manifest, made: true }
  } finally {
    await writer.close()
  }
}

/** Refuses a line that this program, or what was asked for, does not fit. */
export function checkLine(prefix: string, manifest: LineManifest, options: LineOptions): void {
  checkManifest(`line ${prefix}`, manifest, options)
  const { schemaIds } = options
  if (schemaIds === undefined || JSON.stringify(sorted(schemaIds)) === JSON.stringify(sorted(manifest.schemaIds)))
    return
  const text = (ids: LineOptions['schemaIds']): string => (ids === null ? 'the pinned ones' : JSON.stringify(ids))
  throw new CodedError(
    'SLUICE_SETTING_DIFFERS',
    `line ${prefix}: schema ids are ${text(manifest.schemaIds)}, given ${text(schemaIds)}`,
  )
}

const sorted = (ids: Readonly<Record<string, number>> | null): [string, number][] =>
  Object.entries(ids ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))

/** Refuses topics that are not those of the manifest: deleted and made again, they hold another log. */
export async function checkTopics(log: Log, prefix: string, { topicIds }: LineManifest): Promise<void> {
  const differing: string[] = []
  for (const [topic, id] of Object.entries(topicIds)) {
    const now = await log.topicId(topic)
    if (now !== id) differing.push(`topic ${topic} was ${id}, is ${now}`)
  }
  if (differing.length > 0) throw new CodedError('SLUICE_TOPIC_REPLACED', `line ${prefix}: ${differing.join('; ')}`)
}
