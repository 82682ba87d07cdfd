/** A few decided payments for the page to move through the drawing: looked at now and then, never followed one by one. */

import type { Graph, Moving } from '../../dashboard/snapshot.ts'
import type { DecisionRecord } from '../../schemas/generated.ts'
import { records, topics } from '../../schemas/topics.ts'
import type { Log } from '../../streams/backend.ts'
import { inflate, newFrame, walk } from '../../streams/records.ts'
import type { SchemaIds } from '../../streams/schema-ids.ts'
import { pathVia } from './graph.ts'
import { MAX_BATCH_BYTES, objectAt } from './tail.ts'

/** More are a swarm that nobody reads. */
const MOST = 3

export class Sampler {
  private readonly log: Log
  private readonly schemas: SchemaIds | undefined
  private readonly paths: Readonly<Record<DecisionRecord['outcome'], readonly string[]>>
  private readonly frame = newFrame(256)
  /** Ends that were seen, by partition: what lies before is not new. */
  private readonly seen: number[] = []
  private next = 0

  constructor(log: Log, graph: Graph, schemas?: SchemaIds) {
    this.log = log
    this.schemas = schemas
    const from = topics.transactions.name
    this.paths = {
      APPROVE: pathVia(graph, from, 'approved', topics.cyclePartials.name),
      HOLD: pathVia(graph, from, 'held', topics.holdEvents.name),
      DECLINE: pathVia(graph, from, 'declined', topics.alerts.name),
    }
  }

  /** Some payments of one partition that were decided since the last look at it. */
  async look(): Promise<Moving[]> {
    const topic = topics.decisions.name
    const partitions = await this.log.partitions(topic)
    for (let tries = 0; tries < partitions; tries++) {
      const partition = this.next
      this.next = (this.next + 1) % partitions
      const { end } = await this.log.bounds({ topic, partition })
      const from = Math.max(this.seen[partition] ?? end, end - 8)
      this.seen[partition] = end
      if (from >= end) continue
      const fetched = await this.log.read({ topic, partition }, from, 1, 0)
      walk(inflate(fetched.bytes, MAX_BATCH_BYTES, topic), from, this.frame, topic)
      const moving: Moving[] = []
      for (let row = 0; row < this.frame.rows && moving.length < MOST; row++) {
        const { bytes, valueOffsets, valueEnds } = this.frame
        const decision = objectAt<DecisionRecord>(
          records.decision,
          bytes,
          valueOffsets[row],
          valueEnds[row],
          this.schemas,
        )
        if (decision === null) continue
        const { amountMinor, currency, outcome } = decision
        moving.push({ amountMinor: String(amountMinor), currency, path: this.paths[outcome] })
      }
      if (moving.length > 0) return moving
    }
    return []
  }
}
