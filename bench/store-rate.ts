/**
 * How many payments a second one Redis takes: the deltas of the shipped line, written to it by several tasks at once as fast
 * as it answers. What a worker computes in between is not part of it, so Redis is what is measured, as long as it is busy.
 */

import { Redis } from 'ioredis'
import type { Delta } from '../streams/backend.ts'
import { RedisState } from '../streams/distributed/state.ts'
import { DeltaBuilder } from '../streams/store.ts'
import { runLine } from './line.ts'
import { round } from './measure.ts'
import { cpuMicrosOf } from './peers/processes.ts'
import type { BenchServices } from './peers/services.ts'
import type { Traffic } from './traffic.ts'

export interface StoreRate {
  /** How many payments a delta gathers: at 20,000 a second 20,000 are a flush interval of 1 s. */
  readonly paymentsPerDelta: number
  readonly paymentsPerSecond: number
  /** Share of the time in which Redis computed: its one thread is the limit near 1, whoever writes to it below. */
  readonly redisBusy: number | null
  readonly redisMicrosPerPayment: number | null
  /** Keys and values, and the frame of the commands. */
  readonly bytesPerPayment: number
  /** By which its memory has grown. */
  readonly memoryPerPayment: number
}

/** Tasks that write at once, each on a connection of its own. */
const TASKS = 6

/** Replays the line's deltas, one kind of delta after the other; what it wrote is dropped again. */
export async function storeRates(
  { redis: url, redisPid }: Pick<BenchServices, 'redis' | 'redisPid'>,
  traffic: Traffic,
  paymentsPerDelta: readonly number[],
): Promise<StoreRate[]> {
  const rates: StoreRate[] = []
  for (const each of paymentsPerDelta) {
    const deltas = await recorded(traffic, each)
    const lanes = await Promise.all(Array.from({ length: TASKS }, (_, task) => open(url, `${each}-${task}`)))
    try {
      const before = await seen(lanes[0].redis, redisPid)
      await Promise.all(
        lanes.map(async ({ owner, name }) => {
          for (const delta of deltas) {
            const { result } = await owner.apply(delta)
            if (result !== 'applied') throw new Error(`${name}: a delta to ${delta.to} is ${result}`)
          }
        }),
      )
      const after = await seen(lanes[0].redis, redisPid)
      const payments = TASKS * traffic.events
      const micros = before.micros === null || after.micros === null ? null : after.micros - before.micros
      const seconds = (after.at - before.at) / 1000
      rates.push({
        paymentsPerDelta: each,
        paymentsPerSecond: Math.round(payments / seconds),
        redisBusy: micros && round(micros / 1e6 / seconds),
        redisMicrosPerPayment: micros && round(micros / payments),
        bytesPerPayment: Math.round((after.bytes - before.bytes) / payments),
        memoryPerPayment: Math.round((after.memory - before.memory) / payments),
      })
    } finally {
      for (const { state, name, redis } of lanes) {
        await state.drop(name)
        redis.disconnect()
      }
    }
  }
  return rates
}

/** What the line would have written behind, one delta for so many payments. */
async function recorded(traffic: Traffic, paymentsPerDelta: number): Promise<Delta[]> {
  const deltas: Delta[] = []
  let from = 0
  await runLine(traffic.fetches, {
    fetched: (processor, end) => {
      if (end - from < paymentsPerDelta && end < traffic.end) return
      const builder = new DeltaBuilder(end)
      const metadata = processor.save(builder)
      const { puts, removes, dropKinds } = builder
      deltas.push({ from, to: end, metadata, puts, removes, dropKinds })
      processor.stored(end)
      from = end
    },
  })
  return deltas
}

async function open(url: string, name: string) {
  const redis = new Redis(url)
  const state = new RedisState(redis, `bench-store-${process.pid}`)
  return { redis, state, name, owner: await state.acquire(name) }
}

interface Seen {
  readonly at: number
  readonly micros: number | null
  readonly bytes: number
  readonly memory: number
}

async function seen(redis: Redis, pid: number | null): Promise<Seen> {
  const text = `${await redis.info('stats')}\n${await redis.info('memory')}`
  const of = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(text)?.[1])
  return {
    at: performance.now(),
    micros: cpuMicrosOf(pid),
    bytes: of('total_net_input_bytes'),
    memory: of('used_memory'),
  }
}
