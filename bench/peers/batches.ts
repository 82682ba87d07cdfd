/** The input of pay-1 as record batches of the partitions that Kafka's default partitioner chooses. */

import { partitionOf } from '../../streams/hash.ts'
import { RecordBatchWriter } from '../../streams/records.ts'
import { generatePay1, type Pay1Options } from './generator.ts'

export interface PartitionBatch {
  readonly partition: number
  /** One v2 record batch, base offset 0. */
  readonly batch: Uint8Array
}

/** As large as a producer with a linger of some 10 ms makes them at this rate. */
const BATCH_BYTES = 240_000

/** Record key: the payer; timestamp: event time. */
export function* pay1Batches(options: Pay1Options, partitions: number): Generator<PartitionBatch> {
  const writers = Array.from({ length: partitions }, () => new RecordBatchWriter(BATCH_BYTES + 4096))
  for (const tx of generatePay1(options)) {
    const key = Buffer.from(tx.payer)
    const partition = partitionOf(key, 0, key.length, partitions)
    const writer = writers[partition]
    if (writer.position > BATCH_BYTES) yield { partition, batch: writer.finish() }
    if (writer.count === 0 || writer.position > BATCH_BYTES) writer.begin(tx.ts)
    writer.append(tx.ts, key, 0, key.length, tx.value)
  }
  for (const [partition, writer] of writers.entries()) if (writer.count > 0) yield { partition, batch: writer.finish() }
}
