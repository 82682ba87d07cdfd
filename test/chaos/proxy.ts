/**
 * TCP proxies between one process and the services: one per link, each with a mode that can change while it is in use.
 * Bytes are held or late, never altered; what is held when a window ends goes with its connection, as in a real cut.
 */
import { createServer, connect, type Server, type Socket } from 'node:net'

/**
 * open: as if it were not there. slow: everything late. slow-replies: answers late, questions not. frozen: nothing is read
 * any more, nobody is told (half-open). no-replies, no-requests: one direction lost. reset: cut, and refused.
 */
export const modes = ['slow', 'slow-replies', 'frozen', 'no-replies', 'no-requests', 'reset'] as const
export type Mode = 'open' | (typeof modes)[number]

/** One proxy per link; `routes` says by which port of ours a process comes to the port that it is told. */
export async function openLinks(
  links: readonly { readonly port: number; readonly target: number }[],
): Promise<{ readonly links: readonly Proxy[]; readonly routes: Readonly<Record<string, number>> }> {
  const proxies = links.map(({ target }) => new Proxy(target))
  const listening = await Promise.all(proxies.map((proxy) => proxy.listen()))
  return { links: proxies, routes: Object.fromEntries(links.map(({ port }, link) => [String(port), listening[link]])) }
}

/** Of an endpoint, whatever comes before it. */
export const portOf = (endpoint: string): number => Number(endpoint.split(':').at(-1)!.split('/')[0])

export class Proxy {
  #target: number
  readonly #server: Server
  readonly #pairs = new Set<{ client: Socket; server: Socket }>()
  #mode: Mode = 'open'
  #delayMs = 0

  constructor(target: number) {
    this.#target = target
    this.#server = createServer((client) => this.#accept(client))
  }

  /** Listens on a free port of the loopback address, and returns it. */
  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return (this.#server.address() as { port: number }).port
  }

  /** `delayMs` for the slow modes. */
  set(mode: Mode, delayMs = 0): void {
    const lost = this.#mode === 'no-replies' || this.#mode === 'no-requests' || this.#mode === 'frozen'
    this.#mode = mode
    this.#delayMs = delayMs
    // Connections whose bytes were lost do not come back to life with a hole in them.
    if (mode === 'reset' || (mode === 'open' && lost)) this.#cut()
  }

  /** Leads elsewhere from now on; who was connected is cut off. */
  point(target: number): void {
    this.#target = target
    this.#cut()
  }

  async close(): Promise<void> {
    this.#cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #cut(): void {
    for (const { client, server } of this.#pairs) {
      client.resetAndDestroy()
      server.destroy()
    }
    this.#pairs.clear()
  }

  #accept(client: Socket): void {
    client.on('error', () => undefined)
    if (this.#mode === 'reset') {
      client.resetAndDestroy()
      return
    }
    const server = connect(this.#target, '127.0.0.1')
    const pair = { client, server }
    this.#pairs.add(pair)
    const end = (): void => {
      this.#pairs.delete(pair)
      client.destroy()
      server.destroy()
    }
    server.on('error', end)
    client.on('close', end)
    server.on('close', end)
    client.setNoDelay(true)
    server.setNoDelay(true)
    this.#carry(client, server, ['frozen', 'no-requests'], ['slow'])
    this.#carry(server, client, ['frozen', 'no-replies'], ['slow', 'slow-replies'])
  }

  /** In order, whatever the delays: a chunk waits for the one before it. */
  #carry(from: Socket, to: Socket, lost: readonly Mode[], late: readonly Mode[]): void {
    let last = Promise.resolve()
    from.on('data', (chunk: Buffer) => {
      if (lost.includes(this.#mode)) return
      const due = late.includes(this.#mode) ? performance.now() + this.#delayMs : 0
      last = last.then(async () => {
        const left = due - performance.now()
        if (left > 0) await new Promise((resolve) => setTimeout(resolve, left))
        if (!to.destroyed && !lost.includes(this.#mode)) to.write(chunk)
      })
    })
  }
}
