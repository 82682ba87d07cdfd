/**
 * Payments per second through the door of a real `serve`: single posts, each answered when it is durable, at 1, 10, 100
 * and 1,000 at a time. Client and server share the machine; the client speaks HTTP/1.1 by hand so as to take little of it.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

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
}

const program = fileURLToPath(new URL('../bin/sluice.js', import.meta.url))

/** Starts `serve` on a new directory, measures, stops it. */
export async function httpBench(options: HttpBenchOptions = {}): Promise<HttpRate[]> {
  const { seconds = 4, concurrent = [1, 10, 100, 1000], clickhouse = true } = options
  const directory = mkdtempSync(join(tmpdir(), 'sluice-bench-http-'))
  const args = [program, 'serve', '--data', directory, '--port', '0', '--members', 'any']
  const child = spawn(process.execPath, [...args, ...(clickhouse ? [] : ['--no-clickhouse'])], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  try {
    const port = await portOf(child.stderr.setEncoding('utf8'), exited)
    await step(port, 10, 1)
    const { pid } = child
    const rates: HttpRate[] = []
    for (const lanes of concurrent) {
      const before = cpuMillis(pid)
      const rate = await step(port, lanes, seconds)
      const after = cpuMillis(pid)
      const cpu = before === null || after === null ? null : Math.round(((after - before) * 1000) / rate.payments)
      rates.push({ ...rate, cpuMicrosPerPayment: cpu })
      // What waits for the tables of the step before is not this step's.
      await sleep(500)
    }
    return rates
  } finally {
    child.kill('SIGTERM')
    await exited
    rmSync(directory, { recursive: true, force: true })
  }
}

/** User and system time of a process so far; ticks of 10 ms. */
function cpuMillis(pid: number | undefined): number | null {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
    return (Number(fields[11]) + Number(fields[12])) * 10
  } catch {
    return null
  }
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
