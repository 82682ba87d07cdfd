/**
 * Drives topologies by hand: any number of partitions, virtual time (time is a record), chosen batch boundaries, crashes
 * between the steps of a commit. Send, process, crash, read; no clock, no waiting.
 */

import { objectCodec, wire } from './avro/object.ts'
import type { Backend, TopicSpec } from './backend.ts'
import type { HashKey } from './hash.ts'
import { openMemory, type MemoryBackend } from './memory/index.ts'
import { newFrame, RecordBatchWriter, walk } from './records.ts'
import { pinnedIds } from './schema-ids.ts'
import type { RecordType } from './source.ts'
import { Task, type TaskOptions } from './task.ts'
import type { Topology } from './topology.ts'

export interface DriverOptions {
  /** In the order in which records flow: what one writes the next may read. */
  readonly topologies: readonly Topology[]
  readonly topics: readonly {
    readonly name: string
    readonly partitions: 'input' | 'one'
    readonly records: readonly RecordType[]
  }[]
  readonly partitions: number
  readonly markOf: (topic: string) => RecordType | null
  readonly backend?: Backend
  readonly hashKey?: HashKey
  readonly task?: Partial<
    Pick<TaskOptions, 'batchRows' | 'deltaEntries' | 'fetchBytes' | 'observer' | 'reached' | 'schemas' | 'writers'>
  >
}

/** A record as it was written: plain object, its type, its place. */
export interface Written {
  readonly type: string
  readonly partition: number
  readonly offset: number
  readonly key: Uint8Array | null
  readonly value: Record<string, unknown>
}

export class TestDriver {
  readonly backend: Backend
  tasks: Task[] = []
  private readonly options: DriverOptions
  private senders = 0

  constructor(options: DriverOptions) {
    this.options = options
    this.backend = options.backend ?? openMemory()
  }

  /** Makes the topics. Call once per log. */
  async create(): Promise<void> {
    const { topics, partitions } = this.options
    const specs = topics.map((topic): TopicSpec => ({
      name: topic.name,
      partitions: topic.partitions === 'one' ? 1 : partitions,
    }))
    await this.backend.log.createTopics(specs)
  }

  /** Appends records to one partition as one batch. */
  async send(
    topic: string,
    partition: number,
    records: readonly {
      readonly key: Uint8Array | null
      readonly type: RecordType
      readonly value: object | Uint8Array
      readonly timestamp: number
    }[],
  ): Promise<void> {
    if (records.length === 0) return
    const ids = this.options.task?.schemas ?? pinnedIds
    const writer = new RecordBatchWriter()
    writer.begin(records[0].timestamp)
    for (const { key, type, value, timestamp } of records) {
      const bytes =
        value instanceof Uint8Array ? value : wire(ids.idOf(type), objectCodec<object>(type.schema).encode(value))
      writer.append(timestamp, key, 0, key?.length ?? 0, bytes)
    }
    const sender = await this.backend.log.writer(`sender-${this.senders++}`)
    await sender.commit({ appends: [{ topic, partition, batches: writer.finish() }], position: -1, metadata: '' })
    await sender.close()
  }

  /** Recovers every task anew (as after a crash), and processes what is there. */
  async run(): Promise<void> {
    this.tasks = []
    const { topologies, partitions, markOf } = this.options
    for (const topology of topologies) {
      const topic = topology.source.topic
      const count = topic.partitions === 'one' ? 1 : partitions
      const tasks = Array.from(
        { length: count },
        (_, partition) =>
          new Task({
            topology,
            name: `${topology.name}-${partition}`,
            at: { topic: topic.name, partition },
            partitions,
            backend: this.backend,
            hashKey: this.options.hashKey ?? new Int32Array([1, 2, 3, 4]),
            markOf,
            ...this.options.task,
          }),
      )
      this.tasks.push(...tasks)
      for (const task of tasks) {
        await task.recover()
        await task.catchUp()
      }
    }
  }

  /** Every record of a topic, by partition and offset. */
  async read(topic: string): Promise<Written[]> {
    const spec = this.options.topics.find(({ name }) => name === topic)
    if (spec === undefined) throw new Error(`no topic '${topic}'`)
    const ids = this.options.task?.schemas ?? pinnedIds
    const types = new Map(
      spec.records.map((type) => [ids.idOf(type), { type, codec: objectCodec<Record<string, unknown>>(type.schema) }]),
    )
    const written: Written[] = []
    const partitions = await this.backend.log.partitions(topic)
    for (let partition = 0; partition < partitions; partition++) {
      const { start, end } = await this.backend.log.bounds({ topic, partition })
      for (let offset = start; offset < end;) {
        const fetched = await this.backend.log.read({ topic, partition }, offset, 1 << 20, 0)
        const frame = newFrame(1024)
        walk(fetched.bytes, offset, frame)
        for (let row = 0; row < frame.rows; row++) {
          const known = types.get(frame.view.getInt32(frame.valueOffsets[row] + 1))
          if (known === undefined) throw new Error(`unexpected record on '${topic}'`)
          const value = known.codec.decode(frame.bytes.subarray(frame.valueOffsets[row] + 5, frame.valueEnds[row]))
          const key =
            frame.keyLengths[row] < 0
              ? null
              : frame.bytes.slice(frame.keyOffsets[row], frame.keyOffsets[row] + frame.keyLengths[row])
          written.push({ type: known.type.name, partition, offset: frame.offsets[row], key, value })
        }
        offset = fetched.nextOffset
      }
    }
    return written
  }

  /** Digest text of every output, by task and topic. */
  digests(): Map<string, string> {
    return new Map(
      this.tasks.flatMap((task) =>
        task.processor.graph.outputs.map((output): [string, string] => [
          `${task.name} ${output.destination.topic}`,
          output.digest.toString(),
        ]),
      ),
    )
  }
}

export type { MemoryBackend }
