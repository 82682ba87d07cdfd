/**
 * Arguments of a Redis command as the bytes that go over the wire (RESP bulk strings). A delta has a hundred thousand of
 * them; as buffers of their own, in a list, they cost the client more than all the rest of the command.
 */
import { Command, type Redis } from 'ioredis'

/** Shorter ones are copied faster one by one than by a call. */
const SHORT = 48
/** Digits of a length, twice CR LF, and the dollar. */
const FRAME = 24

export class RespWriter {
  /** How many arguments were written. */
  count = 0
  #buffer: Buffer
  #at = 0

  constructor(capacity = 1 << 12) {
    this.#buffer = Buffer.allocUnsafeSlow(capacity)
  }

  /** bytes[from .. to - 1] as an argument. */
  bytes(bytes: Uint8Array, from = 0, to = bytes.length): void {
    const length = to - from
    this.#room(length + FRAME)
    const buffer = this.#buffer
    let at = this.#length(length)
    if (length < SHORT) for (let i = from; i < to; i++) buffer[at++] = bytes[i]
    else {
      buffer.set(bytes.subarray(from, to), at)
      at += length
    }
    buffer[at++] = 13
    buffer[at++] = 10
    this.#at = at
    this.count++
  }

  text(text: string): void {
    this.bytes(Buffer.from(text))
  }

  /** What was written; nothing may be written afterwards. */
  take(): Buffer {
    return this.#buffer.subarray(0, this.#at)
  }

  /** `$LENGTH\r\n`; returns where it ends. */
  #length(length: number): number {
    const buffer = this.#buffer
    let at = this.#at
    buffer[at++] = 36
    let digits = 1
    for (let rest = length; rest > 9; rest = Math.floor(rest / 10)) digits++
    let rest = length
    for (let digit = at + digits - 1; digit >= at; digit--) {
      const tenth = Math.floor(rest / 10)
      buffer[digit] = 48 + rest - tenth * 10
      rest = tenth
    }
    at += digits
    buffer[at++] = 13
    buffer[at++] = 10
    return at
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#at + bytes))
    larger.set(this.#buffer.subarray(0, this.#at))
    this.#buffer = larger
  }
}

/** Sends `name` with its first arguments and what was written of the rest; the answer comes as `callBuffer` gives it. */
export function sendWritten(
  redis: Redis,
  name: string,
  first: readonly string[],
  rest: readonly RespWriter[],
): Promise<unknown> {
  const head = new RespWriter()
  head.text(name)
  for (const argument of first) head.text(argument)
  const count = rest.reduce((sum, writer) => sum + writer.count, head.count)
  const bytes = Buffer.concat([Buffer.from(`*${count}\r\n`), head.take(), ...rest.map((writer) => writer.take())])
  return redis.sendCommand(new WrittenCommand(name, first, bytes)) as Promise<unknown>
}

/** The client queues it, times it out and sends it as any other; only its bytes are there already. */
class WrittenCommand extends Command {
  readonly #bytes: Buffer

  constructor(name: string, first: readonly string[], bytes: Buffer) {
    // Null: the answer stays bytes.
    super(name, [...first], { replyEncoding: null })
    this.#bytes = bytes
  }

  override toWritable(): Buffer {
    return this.#bytes
  }
}
