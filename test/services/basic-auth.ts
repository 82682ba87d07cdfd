/** A reverse proxy that asks for a user and a password (HTTP basic authentication) before it passes anything on. */
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface BasicAuth {
  /** The same address behind the proxy. */
  readonly endpoint: string
  /** Requests that it turned away. */
  readonly refused: () => number
  stop(): Promise<void>
}

/** On the loopback address, before `target`. */
export async function basicAuth(target: string, user: string, password: string): Promise<BasicAuth> {
  const { hostname, port, pathname } = new URL(target)
  const wanted = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  let refused = 0
  const server = createServer((incoming, answer) => {
    if (incoming.headers.authorization !== wanted) {
      refused++
      incoming.resume()
      answer.writeHead(401, { 'www-authenticate': 'Basic realm="schemas"', 'content-type': 'text/plain' })
      answer.end('Who are you?\n')
      return
    }
    const { authorization: _own, ...headers } = incoming.headers
    const options = { hostname, port, path: incoming.url, method: incoming.method, headers }
    const passed = request(options, (got) => {
      answer.writeHead(got.statusCode ?? 502, got.headers)
      got.pipe(answer)
    })
    passed.on('error', () => {
      if (!answer.headersSent) answer.writeHead(502)
      answer.end()
    })
    incoming.pipe(passed)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port: own } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${own}${pathname}`,
    refused: () => refused,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
