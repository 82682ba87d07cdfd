/** The stream of all alerts: positions are vectors of offsets, one per partition, bound to the topic that they are of. */

import { UnknownPositionError, type AlertEvent, type Alerts } from '../../intake/http/ports.ts'
import type { AlertRecord } from '../../schemas/generated.ts'
import { records, topics } from '../../schemas/topics.ts'
import type { Log } from '../../streams/backend.ts'
import type { SchemaIds } from '../../streams/schema-ids.ts'
import { endsOf, Tail } from './tail.ts'

const { name: topic } = topics.alerts

/** Position text: the first 8 characters of the topic's id, then the offsets. */
const positionText = (id: string, offsets: readonly number[]): string => `${id}.${offsets.join('.')}`

export const alertEvent = (id: string, alert: AlertRecord): AlertEvent => ({
  id,
  alert: alert.alert,
  producer: alert.producer,
  payerAccount: alert.payerAccount,
  transactionId: alert.transactionId,
  occurredAt: alert.occurredAt,
  amountMinor: String(alert.amountMinor),
  currency: alert.currency,
  score: alert.score,
  reasons: alert.reasons,
})

export class LiveAlerts implements Alerts {
  private readonly log: Log
  private readonly failed: (error: Error) => void
  private readonly schemas: SchemaIds | undefined
  private readonly tails = new Set<Tail<AlertRecord>>()

  constructor(log: Log, failed: (error: Error) => void, schemas?: SchemaIds) {
    this.log = log
    this.schemas = schemas
    this.failed = failed
  }

  async follow(
    after: string | null,
    deliver: (alert: AlertEvent) => void,
    ended?: () => void,
  ): Promise<{ stop(): void }> {
    const id = (await this.log.topicId(topic)).slice(0, 8)
    const from = await this.positionOf(id, after)
    const offsets = [...from]
    const tail = new Tail<AlertRecord>({
      log: this.log,
      topic,
      type: records.alert,
      schemas: this.schemas,
      from,
      failed: (error) => {
        this.failed(error)
        ended?.()
      },
      deliver: (alert, partition, offset) => {
        offsets[partition] = offset + 1
        deliver(alertEvent(positionText(id, offsets), alert))
      },
    })
    this.tails.add(tail)
    return {
      stop: () => {
        tail.stop()
        this.tails.delete(tail)
      },
    }
  }

  private async positionOf(id: string, after: string | null): Promise<number[]> {
    const ends = await endsOf(this.log, topic)
    if (after === null) return ends
    if (after === 'start') return endsOf(this.log, topic, Number.POSITIVE_INFINITY)
    const [of, ...texts] = after.split('.')
    const offsets = texts.map(Number)
    const whole = texts.length === ends.length && texts.every((text) => /^\d{1,15}$/.test(text))
    if (of !== id || !whole || offsets.some((offset, partition) => offset > ends[partition])) {
      throw new UnknownPositionError(
        `'${after.slice(0, 100)}' is no position of this log. Leave it out, or say after=start for all that are kept.`,
      )
    }
    // What retention has taken meanwhile is gone; the stream goes on with the first one kept.
    const starts = await endsOf(this.log, topic, Number.POSITIVE_INFINITY)
    return offsets.map((offset, partition) => Math.max(offset, starts[partition]))
  }

  async close(): Promise<void> {
    for (const tail of this.tails) tail.stop()
    await Promise.all([...this.tails].map((tail) => tail.done))
  }
}
