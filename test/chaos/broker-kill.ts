/**
 * The kill loop: a broker is killed in the very moment in which it has acknowledged a transaction of the newest protocol
 * (Produce v12, TxnOffsetCommit v5, EndTxn v5, through our writer), and started again. On 4.2.1 nothing may be lost; on
 * 4.3.1 the opening has to warn, and what is lost is counted: 4.3.0 and 4.3.1 can forget such a transaction's markers
 * (KAFKA-20734). What was proven to the task (safeguard 8) may be lost on neither.
 */
import { objectCodec, wire } from '../../streams/avro/object.ts'
import type { Writer } from '../../streams/backend.ts'
import { openDistributed, type DistributedBackend } from '../../streams/distributed/index.ts'
import { newFrame, RecordBatchWriter, walk } from '../../streams/records.ts'
import { records } from '../../schemas/topics.ts'
import { kafka, type Kafka } from '../services/kafka.ts'
import { redis } from '../services/redis.ts'
import { route } from './route.ts'

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const codec = objectCodec<{ task: number; nextSeq: number; logicalTime: number }>(records.mark.schema)
const TOPIC = 'numbers'

/** What one version has shown. */
export interface KillLoop {
  readonly version: string
  readonly kills: number
  readonly warnings: readonly string[]
  readonly commits: number
  /** Kills after which K was lower than a transaction whose EndTxn was acknowledged. */
  acknowledgedLost: number
  /** The same for commits that had resolved, and for positions that were proven. */
  resolvedLost: number
  provenLost: number
  /** Records that read_committed readers see twice, and numbers up to K that they do not see, over both partitions. */
  copies: number
  unseen: number
}

function batch(number: number): Uint8Array {
  const writer = new RecordBatchWriter()
  writer.begin(0)
  writer.append(0, null, 0, 0, wire(records.mark.id, codec.encode({ task: 0, nextSeq: number, logicalTime: 0 })))
  return writer.finish()
}

/** The task: one transaction after the other, with a new writer after every error. */
class Committer {
  /** EndTxn acknowledged; resolved; proven: the highest numbers. */
  acknowledged = 0
  resolved = 0
  proven = 0
  sent = 0
  readonly lost = { acknowledged: 0, resolved: 0, proven: 0 }
  private stopped = false
  private readonly backend: DistributedBackend

  constructor(backend: DistributedBackend) {
    this.backend = backend
  }

  stop(): void {
    this.stopped = true
  }

  async run(): Promise<void> {
    while (!this.stopped) {
      try {
        await this.commits(await this.backend.log.writer('numbers'))
      } catch {
        await sleep(100)
      }
    }
  }

  private async commits(writer: Writer): Promise<void> {
    let position = writer.committed?.position ?? 0
    if (position < this.acknowledged) this.lost.acknowledged++
    if (position < this.resolved) this.lost.resolved++
    if (position < this.proven) this.lost.proven++
    this.acknowledged = this.resolved = this.proven = position
    while (!this.stopped) {
      this.sent = position + 1
      const bytes = batch(this.sent)
      const appends = [0, 1].map((partition) => ({ topic: TOPIC, partition, batches: bytes }))
      await writer.commit({ appends, position: this.sent, metadata: `d${this.sent}` })
      position = this.resolved = this.sent
      this.proven = writer.proven
    }
  }
}

async function visible(backend: DistributedBackend, partition: number): Promise<number[]> {
  const at = { topic: TOPIC, partition }
  const { start, end } = await backend.log.bounds(at)
  const numbers: number[] = []
  for (let offset = start; offset < end;) {
    const fetched = await backend.log.read(at, offset, 1 << 20, 1_000)
    const frame = newFrame(1024)
    walk(fetched.bytes, offset, frame)
    for (let row = 0; row < frame.rows; row++) {
      numbers.push(codec.decode(frame.bytes.subarray(frame.valueOffsets[row] + 5, frame.valueEnds[row])).nextSeq)
    }
    if (fetched.nextOffset === offset) break
    offset = fetched.nextOffset
  }
  return numbers
}

/** Kills the one broker of a version so many times. Returns a reason when it cannot be had. */
export async function killLoop(
  version: string,
  kills: number,
  say: (text: string) => void,
): Promise<KillLoop | { readonly missing: string }> {
  const [broker, store] = await Promise.all([kafka({ brokers: 1, version, own: true }), redis({ own: true })])
  const stop = async (): Promise<void> => {
    for (const service of [broker, store]) if (!('missing' in service)) await service.stop()
  }
  if ('missing' in broker || 'missing' in store) {
    await stop()
    return { missing: 'missing' in broker ? broker.missing : (store as { missing: string }).missing }
  }
  const hook = { answered: (): void => undefined }
  const port = broker.endpoint.split(':').at(-1)!
  // Before the first connection. The request behind EndTxn's answer: acknowledged, the markers perhaps not written.
  route({ [port]: Number(port) }, (point) => {
    if (point === 'end-answered') hook.answered()
  })
  const backend = await openDistributed({
    brokers: [broker.endpoint],
    redis: store.endpoint,
    prefix: 'kill-loop',
    topicPrefix: 'kill-loop.',
    replicationFactor: 1,
  })
  try {
    return await loop(backend, broker, hook, { version, kills, say })
  } finally {
    await backend.close().catch(() => undefined)
    await stop()
  }
}

async function loop(
  backend: DistributedBackend,
  broker: Kafka,
  hook: { answered: () => void },
  { version, kills, say }: { version: string; kills: number; say: (text: string) => void },
): Promise<KillLoop> {
  await backend.log.createTopics([{ name: TOPIC, partitions: 2 }])
  const committer = new Committer(backend)
  let armed: (() => void) | null = null
  hook.answered = () => {
    committer.acknowledged = Math.max(committer.acknowledged, committer.sent)
    armed?.()
  }
  const running = committer.run()
  for (let kill = 0; kill < kills; kill++) {
    await sleep(1_500)
    const before = committer.resolved
    await new Promise<void>((resolve) => {
      armed = () => {
        armed = null
        broker.nodes[0].signal('SIGKILL')
        resolve()
      }
    })
    await broker.nodes[0].kill()
    await broker.nodes[0].restart()
    const { lost } = committer
    while (committer.resolved <= before) await sleep(20)
    say(
      `${version}: kill ${kill + 1} at ${before}; lost so far: acknowledged ${lost.acknowledged}, proven ${lost.proven}`,
    )
  }
  committer.stop()
  await running
  const { committed } = await backend.log.writer('numbers')
  const wanted = committed?.position ?? 0
  let [copies, unseen] = [0, 0]
  for (const partition of [0, 1]) {
    const numbers = await visible(backend, partition)
    const unique = new Set(numbers)
    copies += numbers.length - unique.size
    for (let number = 1; number <= wanted; number++) if (!unique.has(number)) unseen++
  }
  const { lost } = committer
  return {
    version,
    kills,
    warnings: backend.warnings,
    commits: wanted,
    acknowledgedLost: lost.acknowledged,
    resolvedLost: lost.resolved,
    provenLost: lost.proven,
    copies,
    unseen,
  }
}

/** `npm run chaos -- --brokers`: both versions, one line each; the exit code. */
export async function brokers(kills: number, say: (text: string) => void): Promise<number> {
  let code = 0
  for (const version of ['4.2.1', '4.3.1']) {
    const found = await killLoop(version, kills, say)
    if ('missing' in found) {
      say(`SKIPPED: ${found.missing}`)
      code = Math.max(code, 2)
      continue
    }
    const { acknowledgedLost, resolvedLost, provenLost, copies, unseen } = found
    const loses = version !== '4.2.1'
    const sound = provenLost === 0 && unseen === 0 && (loses || acknowledgedLost + resolvedLost + copies === 0)
    const warned = loses === found.warnings.some((text) => text.includes('KAFKA-20734'))
    if (!sound || !warned) code = 1
    say(
      `kafka=${version} kills=${found.kills} commits=${found.commits} lost: acknowledged=${acknowledgedLost} of ${kills} ` +
        `resolved=${resolvedLost} proven=${provenLost}; copies=${copies} unseen=${unseen}; ` +
        `warned=${found.warnings.length > 0 ? 'yes' : 'no'}; ${sound && warned ? 'as it should be' : 'WRONG'}`,
    )
  }
  return code
}
