/** /metrics, /health and /ready over HTTP, for Prometheus and for whoever starts and stops this process. Read only. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { UsageError } from '../output.ts'
import type { Report } from './report.ts'

export interface Sources {
  /** In Prometheus' text format. */
  metrics(): Promise<{ readonly type: string; readonly text: string }>
  /** Asks nobody: it answers while the process works. */
  health(): Report
  /** Asks the services. */
  ready(): Promise<Report>
}

export interface ObserveServer {
  readonly port: number
  readonly url: string
  close(): Promise<void>
}

/** Starts to listen; port 0 takes a free one. Errors: UsageError when the port cannot be had. */
export async function openServer(port: number, host: string, sources: Sources): Promise<ObserveServer> {
  const server = createServer((request, response) => {
    answer(request, response, sources).catch((error: unknown) => {
      send(response, 500, 'text/plain; charset=utf-8', `${error instanceof Error ? error.message : String(error)}\n`)
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  }).catch((error: unknown) => {
    throw new UsageError(`observe.port ${port} of ${host} cannot be opened: ${(error as Error).message}`)
  })
  // Only what comes after a request can still fail; the request has heard of it.
  server.on('error', () => undefined)
  const bound = (server.address() as AddressInfo).port
  return {
    port: bound,
    url: `http://${host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host}:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, sources: Sources): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'text/plain', 'Use GET.\n')
  const path = (request.url ?? '/').split('?')[0]
  if (path === '/metrics') {
    const { type, text } = await sources.metrics()
    return send(response, 200, type, text)
  }
  if (path === '/health') {
    const report = sources.health()
    return sendReport(response, report.status === 'ok', report)
  }
  if (path === '/ready') {
    const report = await sources.ready()
    return sendReport(response, report.ready, report)
  }
  send(response, 404, 'text/plain; charset=utf-8', 'There are /metrics, /health and /ready.\n')
}

const sendReport = (response: ServerResponse, good: boolean, report: Report): void =>
  send(response, good ? 200 : 503, 'application/json', `${JSON.stringify(report)}\n`)

function send(response: ServerResponse, status: number, type: string, body: string): void {
  if (response.headersSent) return void response.destroy()
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
  response.end(body)
}
