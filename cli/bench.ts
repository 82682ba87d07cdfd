/** bench: one measurement per claim, over the shipped topologies. */

import { benchEmbedded, embeddedText } from '../bench/embedded.ts'
import { httpBench, httpTable } from '../bench/http.ts'
import { benchKafka, kafkaText } from '../bench/kafka.ts'
import { benchKernel, kernelText } from '../bench/kernel.ts'
import { benchLatency, latencyText } from '../bench/latency.ts'
import { benchPayments, paymentsText } from '../bench/payments.ts'
import { exitCodes, print, printJson, say } from './output.ts'

export interface BenchOptions {
  readonly events?: number
  readonly rounds?: number
  readonly stages?: boolean
  readonly json?: boolean
}

/** The line alone: frames in, record batches out, no I/O; beside the yardstick. */
export async function kernel(options: BenchOptions): Promise<number> {
  const result = await benchKernel({ ...options, say })
  if (options.json === true) printJson(result)
  else print(kernelText(result))
  return result.oracle === 'equal' ? exitCodes.ok : exitCodes.failed
}

/** From the log on disk to committed state, outputs, and rows in ClickHouse. */
export async function embedded(options: BenchOptions): Promise<number> {
  const result = await benchEmbedded({ ...options, say })
  if (options.json === true) printJson(result)
  else print(embeddedText(result))
  return result.oracle === 'equal' ? exitCodes.ok : exitCodes.failed
}

/** Single posts through a real `serve`, by concurrency. */
export async function http(options: { seconds: number; kafka?: boolean; json?: boolean }): Promise<number> {
  const { json } = options
  const rates = await httpBench(options)
  if (json === true) printJson(rates)
  else print(httpTable(rates))
  return exitCodes.ok
}

/** pay-1 on one broker: ours against Kafka Streams, in turn. */
export async function kafka(options: BenchOptions & { faults?: boolean; only?: string }): Promise<number> {
  const result = await benchKafka({ ...options, say })
  if (options.json === true) printJson(result)
  else print(kafkaText(result))
  return result.oracle === 'equal' ? exitCodes.ok : exitCodes.failed
}

/** The shipped line on Kafka and Redis, and what its state costs Redis. */
export async function payments(options: BenchOptions): Promise<number> {
  const result = await benchPayments({ ...options, say })
  if (options.json === true) printJson(result)
  else print(paymentsText(result))
  return result.oracle === 'equal' ? exitCodes.ok : exitCodes.failed
}

/** Open loop at fixed rates: from the intended send to the decision at a read_committed reader. */
export async function latency(options: {
  rates: number[]
  seconds: number
  only?: string
  json?: boolean
}): Promise<number> {
  const result = await benchLatency({ ...options, say })
  if (options.json === true) printJson(result)
  else print(latencyText(result))
  return result.runs.every(({ missing }) => missing === 0) ? exitCodes.ok : exitCodes.failed
}
