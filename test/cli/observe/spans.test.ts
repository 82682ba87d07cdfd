/** Spans per batch reach a collector over OTLP; off, nothing is made; a collector that is away holds nothing up. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { openObservation } from '../../../cli/observe/index.ts'
import { topics } from '../../../schemas/topics.ts'
import { openMemory } from '../../../streams/memory/index.ts'
import type { TestDriver } from '../../../streams/testing.ts'
import { input, lineOn, send } from '../../streams/distributed-child/line.ts'
import { quiet } from './quiet.ts'

interface OtlpSpan {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly { key: string; value: { stringValue?: string; intValue?: number | string } }[]
  readonly status: { readonly code?: number }
}

let collector: Server | null = null
afterEach(() => new Promise<void>((resolve) => (collector === null ? resolve() : collector.close(() => resolve()))))

/** A collector that keeps what it is sent. */
async function collecting(): Promise<{ url: string; spans: OtlpSpan[]; services: string[] }> {
  const spans: OtlpSpan[] = []
  const services: string[] = []
  collector = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      if (request.url === '/v1/traces') {
        const { resourceSpans } = JSON.parse(Buffer.concat(chunks).toString()) as {
          resourceSpans: {
            resource: { attributes: { key: string; value: { stringValue: string } }[] }
            scopeSpans: { spans: OtlpSpan[] }[]
          }[]
        }
        for (const { resource, scopeSpans } of resourceSpans) {
          services.push(resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? '')
          spans.push(...scopeSpans.flatMap((scope) => scope.spans))
        }
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
  })
  await new Promise<void>((resolve) => collector?.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`, spans, services }
}

async function ran(otlpUrl: string, log: string[] = []): Promise<TestDriver> {
  const observation = await openObservation(
    { ...quiet, otlpUrl },
    { role: 'worker', version: '1.2.3', logicVersion: '1', write: (line) => log.push(line) },
  )
  const driver = lineOn(openMemory(), undefined, observation.observer)
  await driver.create()
  await send(driver, input(), 0, Infinity)
  await driver.run()
  await observation.close()
  return driver
}

const attribute = ({ attributes }: OtlpSpan, name: string): string =>
  String(Object.values(attributes.find(({ key }) => key === `sluice.${name}`)?.value ?? {})[0])

it('every batch is a span with its fetch, its processing and its commit in it', async () => {
  const { url, spans, services } = await collecting()
  const driver = await ran(url)
  expect(new Set(services)).toEqual(new Set(['sluice-worker']))
  for (const { name: task, committed } of driver.tasks) {
    const mine = spans.filter((span) => attribute(span, 'task') === task)
    const batches = mine.filter(({ name }) => name === 'batch')
    expect(batches.map((span) => Number(attribute(span, 'to'))).at(-1)).toBe(committed)
    for (const batch of batches) {
      const inside = mine.filter(({ parentSpanId }) => parentSpanId === batch.spanId)
      expect(inside.map(({ name }) => name)).toEqual(expect.arrayContaining(['process', 'commit']))
      for (const span of inside) {
        expect(span.traceId).toBe(batch.traceId)
        expect(BigInt(span.startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(batch.startTimeUnixNano))
        expect(BigInt(span.endTimeUnixNano)).toBeLessThanOrEqual(BigInt(batch.endTimeUnixNano))
      }
      expect(batch.status.code ?? 0).toBe(0)
    }
    expect(mine.some(({ name }) => name === 'fetch')).toBe(true)
    expect(
      mine
        .filter(({ name }) => name === 'delta')
        .map((span) => Number(attribute(span, 'to')))
        .at(-1),
    ).toBe(committed)
  }
})

it('a collector that is not there holds nothing up', async () => {
  const driver = await ran('http://127.0.0.1:9')
  const { end } = await driver.backend.log.bounds({ topic: topics.transactions.name, partition: 0 })
  expect(driver.tasks[0].committed).toBe(end)
})
