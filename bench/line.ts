/** The payments line without I/O: fetches in, record batches out and dropped. What the kernel benchmark measures. */

import { topics } from '../schemas/topics.ts'
import { records } from '../schemas/topics.ts'
import { defaultSettings } from '../schemas/settings.ts'
import type { Append, TaskState } from '../streams/backend.ts'
import { frameFor } from '../streams/event-reader.ts'
import { Processor } from '../streams/processor.ts'
import { walk } from '../streams/records.ts'
import type { SchemaIds } from '../streams/schema-ids.ts'
import { payments } from '../topologies/payments.ts'

/** Marks go into the topics that feed a table. */
const tables = new Set<string>(Object.values(topics).flatMap(({ name, table }) => (table === null ? [] : [name])))

/** A task that has no state yet. */
const nothing = { header: null, list: async () => ({ header: null, entries: [] }), kinds: async () => [] }

export interface LineOptions {
  readonly partition?: number
  readonly partitions?: number
  /** Ids of the wire prefixes; default: the pinned ones. */
  readonly schemas?: SchemaIds
  /** Called with what a commit would append, after each fetch. */
  readonly appended?: (appends: readonly Append[]) => void
  /** Most rows of a step; a whole fetch when absent. */
  readonly stepRows?: number
  /** Called after each fetch. */
  readonly fetched?: (processor: Processor, end: number) => void
}

/** Runs the payments topology as shipped over fetches of one partition; returns its task, with counters and digests. */
export async function runLine(fetches: readonly Uint8Array[], options: LineOptions = {}): Promise<Processor> {
  const partitions = options.partitions ?? 1
  const processor = new Processor({
    topology: payments({ ...defaultSettings, partitions }),
    at: { topic: topics.transactions.name, partition: options.partition ?? 0 },
    partitions,
    hashKey: new Int32Array([1, 2, 3, 4]),
    markOf: (topic) => (tables.has(topic) ? records.mark : null),
    schemas: options.schemas,
  })
  await processor.load(nothing as unknown as TaskState)
  const frame = frameFor(4096)
  let next = 0
  for (const bytes of fetches) {
    next = walk(bytes, next, frame)
    processor.decode(frame)
    for (let row = 0; row < frame.rows;) {
      const step = processor.read(frame, row, Math.min(options.stepRows ?? frame.rows, frame.rows - row))
      if (processor.missing().length > 0) throw new Error('a line without a store asks for stored state')
      processor.run()
      row = step.to
    }
    const appends = processor.appends()
    options.appended?.(appends)
    options.fetched?.(processor, next)
  }
  return processor
}
