/**
 * Inside a worker under test: its connections go through the proxies of its links, and it can be killed in the middle of
 * the requests of a commit, right after one of them was handed to the network.
 */
import { Socket } from 'node:net'

/** Requests of Kafka's protocol by key, at which a worker can be killed: sent, not answered. */
const requests = new Map([
  [22, 'fence-sent'],
  [0, 'produce-sent'],
  [28, 'position-sent'],
  [26, 'end-sent'],
  // DescribeTransactions, which our writer asks behind the answer to EndTxn: its markers are perhaps not written.
  [65, 'end-answered'],
])

type Connect = (this: Socket, ...args: unknown[]) => Socket
type Write = (this: Socket, ...args: unknown[]) => boolean

/** `routes`: port of a service -> port of its proxy. `reached` is called with the points of `requests`. */
export function route(routes: Readonly<Record<string, number>>, reached: (point: string) => void): void {
  const prototype = Socket.prototype as unknown as { connect: Connect; write: Write }
  const { connect, write } = prototype
  const proxied = new WeakSet<Socket>()
  prototype.connect = function (this: Socket, ...args) {
    // Node normalizes the arguments into an array with the options first before it comes here a second time.
    const list = Array.isArray(args[0]) ? (args[0] as unknown[]) : args
    if (typeof list[0] === 'object' && list[0] !== null) {
      const target = list[0] as { port?: number | string }
      const port = routes[String(target.port)]
      if (port !== undefined) {
        // A copy: who made it (an agent of HTTP) finds its connections again by what it asked for.
        list[0] = { ...target, port }
        proxied.add(this)
      }
    }
    return connect.apply(this, args)
  }
  prototype.write = function (this: Socket, ...args) {
    const done = write.apply(this, args)
    const [chunk] = args
    if (proxied.has(this) && chunk instanceof Uint8Array && chunk.length >= 8) {
      const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      const point = view.getUint8(0) === 0 ? requests.get(view.getInt16(4)) : undefined
      if (point !== undefined) reached(point)
    }
    return done
  }
}
