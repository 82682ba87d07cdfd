/** What our own reader of committed records says, where the foreign one has found something. */
import type { DistributedBackend } from '../../streams/distributed/index.ts'
import { newFrame, walk } from '../../streams/records.ts'
import { outputTopics, Reader } from './reader.ts'

export async function readByOurs({ log }: DistributedBackend): Promise<Reader> {
  const own = new Reader()
  for (const { name } of outputTopics) {
    for (let partition = 0; partition < (await log.partitions(name)); partition++) {
      const { start, end } = await log.bounds({ topic: name, partition })
      const frame = newFrame(1024)
      for (let offset = start; offset < end;) {
        const { bytes, nextOffset } = await log.read({ topic: name, partition }, offset, 1 << 20, 0)
        walk(bytes, offset, frame)
        for (let row = 0; row < frame.rows; row++) {
          const value = Buffer.from(frame.bytes.subarray(frame.valueOffsets[row], frame.valueEnds[row]))
          own.take(name, { topic: name, partition, offset: frame.offsets[row], key: null, value, timestamp: 0 })
        }
        offset = nextOffset
      }
    }
  }
  return own
}
