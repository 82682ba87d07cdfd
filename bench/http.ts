/**
 * Payments per second through the door of a real `serve`: single posts, each answered when it is durable, at 1, 10, 100
 * and 1,000 at a time. Client and server share the machine; the client speaks HTTP/1.1 by hand so as to take little of it.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { clusterOf, withServices } from './kafka.ts'
import { deleteTopics } from './peers/broker.ts'
import { cpuMicrosOf } from './peers/processes.ts'
import type { BenchServices } from './peers/services.ts'

export interface HttpRate {
  readonly concurrent: number
  readonly payments: number
  readonly perSecond: number
  /** Time from the post to its answer, milliseconds. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** Answers other than 202. */
  readonly refused: number
  /** CPU of the serving process, tasks and tables' feeding included; null where /proc does not tell. */
  readonly cpuMicrosPerPayment: number | null
}

export interface HttpBenchOptions {
  /** Per step. */
  readonly seconds?: number
  readonly concurrent?: readonly number[]
  /** False: without ClickHouse beside it. */
  readonly clickhouse?: boolean
  /** Over Kafka, answered after acks=all, with one worker beside it; without tables. */
  readonly kafka?: boolean
}

const program = fileURLToPath(new URL('../bin/sluice.js', import.meta.url))

/** Starts `serve`, on a new directory or on a new line over Kafka, measures, stops it. */
export function httpBench(options: HttpBenchOptions = {}): Promise<HttpRate[]> {
  if (options.kafka !== true) return embeddedBench(options)
  return withServices((services) => clusterBench(options, services))
}

/** The doors of a line of its own, as an operator would make it. */
async function clusterBench(options: HttpBenchOptions, services: BenchServices): Promise<HttpRate[]> {
  const run = `bench-http-${process.pid}`
  const env = {
    ...process.env,
    SLUICE_KAFKA_BROKERS: services.brokers,
    SLUICE_KAFKA_PREFIX: run,
    SLUICE_KAFKA_TOPIC_PREFIX: `${run}.`,
    SLUICE_KAFKA_REPLICATION_FACTOR: '1',
    SLUICE_REDIS_URL: services.redis,
  }
  const start = (...args: string[]): ChildProcess =>
    spawn(process.execPath, [program, ...args], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = (child: ChildProcess): Promise<unknown> => new Promise((resolve) => child.once('exit', resolve))
  const init = start('init')
  let said = ''
  init.stderr?.setEncoding('utf8').on('data', (more: string) => (said += more))
  const code = await ended(init)
  if (code !== 0) throw new Error(`init ended with ${String(code)}: ${said}`)
  const worker = start('worker')
  worker.stderr?.resume()
  const child = start('serve', '--port', '0', '--members', 'any', '--no-clickhouse')
  const over = [ended(worker), ended(child)]
  const end = (): void => [child, worker].forEach((one) => one.kill('SIGTERM'))
  process.once('exit', end)
  try {
    return await measure(child, over[1], options)
  } finally {
    end()
    process.off('exit', end)
    await Promise.all(over)
    const cluster = clusterOf(services)
    await deleteTopics(cluster, run)
    await cluster.close()
  }
}

async function embeddedBench(options: HttpBenchOptions): Promise<HttpRate[]> {
  const { clickhouse = true } = options
  const directory = mkdtempSync(join(tmpdir(), 'sluice-bench-http-'))
  const args = [program, 'serve', '--data', directory, '--port', '0', '--members', 'any']
  const child = spawn(process.execPath, [...args, ...(clickhouse ? [] : ['--no-clickhouse'])], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  try {
    return await measure(child, exited, options)
  } finally {
    child.kill('SIGTERM')
    await exited
    rmSync(directory, { recursive: true, force: true })
  }
}

async function measure(child: ChildProcess, exited: Promise<unknown>, options: HttpBenchOptions): Promise<HttpRate[]> {
  const { seconds = 4, concurrent = [1, 10, 100, 1000] } = options
  const port = await portOf((child.stderr as Readable).setEncoding('utf8'), exited)
  await step(port, 10, 1)
  const pid = child.pid ?? null
  const rates: HttpRate[] = []
  for (const lanes of concurrent) {
    const before = cpuMicrosOf(pid)
    const rate = await step(port, lanes, seconds)
    const after = cpuMicrosOf(pid)
    const cpu = before === null || after === null ? null : Math.round((after - before) / rate.payments)
    rates.push({ ...rate, cpuMicrosPerPayment: cpu })
    // What waits for the tables of the step before is not this step's.
    await sleep(500)
  }
  return rates
}

function portOf(words: NodeJS.ReadableStream, exited: Promise<unknown>): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = ''
    words.on('data', (more: string) => {
      text += more
      const port = /^API\s+http:\/\/[^:\s]+:(\d+)/m.exec(text)?.[1]
      if (port !== undefined) resolve(Number(port))
    })
    exited.then(
      () => reject(new Error(`serve ended: ${text}`)),
      () => {},
    )
  })
}

/** Runs so many posters for so many seconds; each sends its next payment when the one before is answered. */
async function step(port: number, lanes: number, seconds: number): Promise<Omit<HttpRate, 'cpuMicrosPerPayment'>> {
  const latencies: number[] = []
  let refused = 0
  const began = performance.now()
  const end = began + seconds * 1000
  await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      const poster = await Poster.open(port)
      for (let i = 0; performance.now() < end; i++) {
        const sent = performance.now()
        const status = await poster.post(body(`${lanes}-${lane}-${i}`, lane))
        if (status === 202) latencies.push(performance.now() - sent)
        else refused++
      }
      poster.close()
    }),
  )
  const took = (performance.now() - began) / 1000
  latencies.sort((a, b) => a - b)
  const at = (share: number): number => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))]
  return {
    concurrent: lanes,
    payments: latencies.length,
    perSecond: Math.round(latencies.length / took),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    refused,
  }
}

const body = (id: string, lane: number): string =>
  JSON.stringify({
    transactionId: id,
    occurredAt: Date.now(),
    payerAccount: `DE${String(10_000_000 + ((lane * 7919) % 100_000))}`,
    payeeAccount: 'FR76300060000112345678',
    payerBank: 'bank-a',
    payeeBank: 'bank-b',
    merchant: 'books',
    amount: '12.30',
    currency: 'EUR',
    country: 'DE',
  })

/** One connection that posts one payment at a time. */
class Poster {
  private readonly socket: Socket
  private answer: PromiseWithResolvers<number> | null = null
  private text = ''

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (more: string) => this.take(more))
    socket.on('error', (error) => this.answer?.reject(error))
    socket.on('close', () => this.answer?.reject(new Error('the connection was closed')))
  }

  static open(port: number): Promise<Poster> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => resolve(new Poster(socket)))
      socket.once('error', reject)
    })
  }

  /** The status of the answer. */
  post(json: string): Promise<number> {
    this.answer = Promise.withResolvers()
    this.socket.write(
      `POST /v1/transactions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(json)}\r\n\r\n${json}`,
    )
    return this.answer.promise
  }

  private take(more: string): void {
    this.text += more
    const head = this.text.indexOf('\r\n\r\n')
    if (head < 0) return
    const length = Number(/content-length: (\d+)/i.exec(this.text)?.[1] ?? 0)
    if (this.text.length < head + 4 + length) return
    const status = Number(this.text.slice(9, 12))
    this.text = this.text.slice(head + 4 + length)
    const { answer } = this
    this.answer = null
    answer?.resolve(status)
  }

  close(): void {
    this.socket.destroy()
  }
}

/** The table that people read. */
export const httpTable = (rates: readonly HttpRate[]): string =>
  [
    '| concurrent posts | payments/s | p50 ms | p99 ms | CPU us per payment |',
    '|---:|---:|---:|---:|---:|',
    ...rates.map(
      ({ concurrent, perSecond, p50Ms, p99Ms, cpuMicrosPerPayment: cpu }) =>
        `| ${concurrent} | ${perSecond.toLocaleString('en-US')} | ${p50Ms.toFixed(1)} | ${p99Ms.toFixed(1)} | ${cpu ?? '-'} |`,
    ),
  ].join('\n')

if (import.meta.main) console.log(httpTable(await httpBench({ seconds: Number(process.argv[2] ?? 4) })))
