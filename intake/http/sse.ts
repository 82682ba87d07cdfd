/** Server-sent events: one open answer per listener, cut off when it cannot keep up. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { HttpError } from './door.ts'

/** A listener that is this far behind is dropped: it comes back by itself and goes on after the last id that it got. */
const maxBufferedBytes = 4 * 1024 * 1024
/** Proxies and sleeping laptops drop a silent connection after 30 to 60 s. */
const heartbeatMs = 15_000
/** Each one costs a socket and a buffer; a page has one. */
const maxStreams = 128

export class EventStream {
  private readonly response: ServerResponse
  /** Called once when the listener is gone, or was dropped. */
  closed: () => void = () => {}

  constructor(response: ServerResponse) {
    this.response = response
  }

  /** Sends one event. `data` and `id` must have no line breaks (JSON has none). */
  send(event: string, data: string, id?: string): void {
    if (this.response.writableEnded) return
    this.response.write(`${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`)
    if (this.response.writableLength > maxBufferedBytes) this.response.destroy()
  }

  beat(): void {
    if (!this.response.writableEnded) this.response.write(': \n\n')
  }

  end(): void {
    this.response.end()
  }
}

/** All open streams of a server. */
export class EventStreams {
  private readonly open = new Set<EventStream>()
  private readonly timer = setInterval(() => {
    for (const stream of this.open) stream.beat()
  }, heartbeatMs).unref()

  start(request: IncomingMessage, response: ServerResponse): EventStream {
    if (this.open.size >= maxStreams)
      throw new HttpError(503, 'too-many-streams', `There are ${maxStreams} open event streams already. Close one.`)
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-accel-buffering': 'no',
    })
    response.write('retry: 1000\n\n')
    const stream = new EventStream(response)
    this.open.add(stream)
    request.socket.setNoDelay(true)
    response.on('close', () => {
      this.open.delete(stream)
      stream.closed()
    })
    return stream
  }

  close(): void {
    clearInterval(this.timer)
    for (const stream of this.open) stream.end()
  }
}
