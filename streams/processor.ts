/** What a task computes: a topology with its stores, fed step by step. No I/O: rows in, batches of records and deltas out. */

import type { Append, TaskState } from './backend.ts'
import type { Frame } from './batch.ts'
import { EventReader, type ReadStep } from './event-reader.ts'
import { wire, type Graph } from './graph.ts'
import type { HashKey } from './hash.ts'
import { ObjectReader } from './object-reader.ts'
import type { Step, TaskContext } from './operator.ts'
import type { SchemaIds } from './schema-ids.ts'
import type { RecordType } from './source.ts'
import type { DeltaBuilder, Missing, Store } from './store.ts'
import { beginning, type ClockState } from './stream-time.ts'
import type { Topology } from './topology.ts'
import type { Unjudged, WriterSchemas } from './writer-schemas.ts'

export interface ProcessorOptions {
  readonly topology: Topology
  readonly at: { readonly topic: string; readonly partition: number }
  readonly partitions: number
  readonly hashKey: HashKey
  readonly markOf: (topic: string) => RecordType | null
  /** Ids of the log's wire prefixes; default: the pinned ones. */
  readonly schemas?: SchemaIds
  /** Schemas of writers that are not ours. */
  readonly writerSchemas?: WriterSchemas | null
}

interface Marks {
  readonly received: number
  readonly marks: readonly { row: number; time: number }[]
  readonly others?: number
  feed(): void
}

const utf8 = new TextEncoder()
/** Kind and key of the clock and counters. */
const CORE = 'core'

export class Processor {
  readonly stores = new Map<string, Store>()
  readonly graph: Graph
  /** Events and unreadable rows so far. */
  received = 0
  private readonly reader: EventReader | ObjectReader
  private current: (Step & Marks) | null = null

  constructor(options: ProcessorOptions) {
    const { topology, at, partitions, schemas } = options
    const spec = topology.source.spec
    this.reader = spec.objects
      ? new ObjectReader(spec, schemas)
      : new EventReader(
          spec,
          { topic: at.topic, partition: at.partition, partitions },
          beginning,
          schemas,
          options.writerSchemas,
        )
    const context: TaskContext = {
      task: at.partition,
      partitions,
      hashKey: options.hashKey,
      stores: this.stores,
      step: () => this.current as Step,
      streamTime: () => this.events().clock.streamTime,
      closedThrough: () => this.events().clock.closedThrough,
      reenter: (values) => this.events().reenter(values, this.events().clock.closedThrough),
    }
    this.graph = wire(topology, context, {
      partitionOf: (topic) => (topic.partitions === 'one' ? 0 : at.partition),
      markOf: options.markOf,
      schemas,
    })
  }

  private events(): EventReader {
    if (this.reader instanceof ObjectReader) throw new Error('a topology over objects has no stream time')
    return this.reader
  }

  /** Stream time, closed cycles and last tick; null for a topology over objects. */
  clock(): ClockState | null {
    return this.reader instanceof ObjectReader ? null : this.reader.clock.state()
  }

  async load(state: TaskState): Promise<void> {
    const [core] = (await state.list(CORE)).entries
    if (core !== undefined) {
      const { clock, received, others } = JSON.parse(new TextDecoder().decode(core.value)) as {
        clock: ClockState | null
        received: number
        others?: number
      }
      if (clock !== null) Object.assign(this.events().clock, clock)
      if (others !== undefined) this.events().others.count = others
      this.received = received
    }
    if (state.header !== null) {
      const outputs = JSON.parse(state.header.metadata) as Record<string, [number, string]>
      for (const output of this.graph.outputs) {
        const [seq, digest] = outputs[output.destination.topic] ?? [0, '']
        output.restore(seq, digest)
      }
    }
    for (const store of this.stores.values()) await store.load(state)
  }

  /** The step that has just run, for whoever counts what it found. */
  get ran(): Step & Partial<ReadStep> {
    return this.current as Step
  }

  /** Ids in a frame that is to be decoded and that nobody has judged. */
  unjudged(frame: Frame): Unjudged[] {
    return this.reader instanceof EventReader ? this.reader.others.unjudged(frame, this.reader.owns) : []
  }

  decode(frame: Frame): void {
    if (this.reader instanceof EventReader) this.reader.decode(frame)
  }

  /** Cuts the next step of the decoded frame. `missing` and `run` follow. */
  read(frame: Frame, from: number, maxRows: number): Step {
    if (this.reader instanceof ObjectReader) {
      const items = this.reader.read(frame, from, from + maxRows)
      this.current = {
        frame,
        from,
        to: from + maxRows,
        closings: [],
        marks: [],
        received: maxRows,
        feed: () => this.graph.push('events', items),
      }
      return this.current
    }
    const step = this.reader.step(frame, from, maxRows)
    this.current = {
      ...step,
      marks: step.marks.map((row) => ({ row, time: frame.streamTime[row] })),
      feed: () => {
        this.graph.push('deadLetters', step.deadLetters)
        if (step.control !== null) this.graph.control(step.control)
        else this.graph.push('events', step.batch)
      },
    }
    return this.current
  }

  missing(): Missing[] {
    const { frame, from, to } = this.current as Step
    const missing: Missing[] = []
    for (const store of this.stores.values()) {
      const one = store.missing?.(frame, from, to) ?? null
      if (one !== null) missing.push(one)
    }
    return missing
  }

  /** The synchronous chain over the current step. */
  run(): void {
    const step = this.current as Step & Marks
    // Here and not when the step is cut: what it needs may still have to be loaded, and sheets are read meanwhile.
    this.received += step.received
    if (step.others !== undefined) this.events().others.count = step.others
    step.feed()
    const timeOf = (row: number): number => step.frame.streamTime[row]
    for (const output of this.graph.outputs) output.endStep(step.marks, timeOf)
    const time = this.clock()?.streamTime ?? 0
    for (const store of this.stores.values()) store.advance?.(time)
  }

  /** Record batches written since the last call. */
  appends(): Append[] {
    const appends: Append[] = []
    for (const output of this.graph.outputs) {
      const batches = output.batches()
      if (batches !== null) appends.push({ ...output.destination, batches })
    }
    return appends
  }

  /** Throws away what was written: it is in the log already. */
  discard(): void {
    for (const output of this.graph.outputs) output.batches()
  }

  /** Counters and digests of the outputs: equal at equal positions, whatever happened on the way. */
  metadata(): string {
    const outputs = this.graph.outputs.map((output) => [
      output.destination.topic,
      [output.seq, output.digest.toString()],
    ])
    return JSON.stringify(Object.fromEntries(outputs))
  }

  /** The delta up to this position is stored. */
  stored(to: number): void {
    for (const store of this.stores.values()) store.stored?.(to)
  }

  get dirtyEntries(): number {
    let entries = 0
    for (const store of this.stores.values()) entries += store.dirtyEntries
    return entries
  }

  /** Serialises everything changed; returns the metadata that goes with it. */
  save(delta: DeltaBuilder): string {
    for (const store of this.stores.values()) store.save(delta)
    const count = this.reader instanceof EventReader ? this.reader.others.count : 0
    const others = count > 0 ? { others: count } : {}
    const core = JSON.stringify({ clock: this.clock(), received: this.received, ...others })
    delta.put(CORE, utf8.encode('clock'), utf8.encode(core))
    return this.metadata()
  }
}
