/** Arguments written as bytes are the very bytes that the client itself would send, whatever their lengths. */
import { Command } from 'ioredis'
import { expect, it } from 'vitest'
import { seeded } from '../../intake/random.ts'
import { RespWriter } from '../../streams/distributed/resp.ts'

const random = seeded(7)
const bytesOf = (length: number): Buffer => Buffer.from(Array.from({ length }, () => random.below(256)))
/** Around every place where the writer does something else: digits, short copies, room. */
const lengths = [0, 1, 9, 10, 11, 47, 48, 49, 99, 100, 101, 999, 1_000, 4_096, 9_999, 10_000, 70_000, 1_000_000]

it('lengths of every kind, one after the other', () => {
  const args = lengths.map(bytesOf)
  const writer = new RespWriter(0)
  for (const bytes of args) writer.bytes(bytes)
  expect(writer.count).toBe(args.length)
  expect(frame(args.length, writer)).toEqual(asClient(args))
})

it('parts of larger arrays', () => {
  const all = bytesOf(5_000)
  const writer = new RespWriter()
  const args: Buffer[] = []
  for (let i = 0; i < 2_000; i++) {
    const from = random.below(5_000)
    const to = from + random.below(5_001 - from)
    writer.bytes(new Uint8Array(all), from, to)
    args.push(all.subarray(from, to))
  }
  expect(frame(args.length, writer)).toEqual(asClient(args))
})

it('text is UTF-8', () => {
  const writer = new RespWriter()
  writer.text('Zürich → 東京')
  expect(frame(1, writer)).toEqual(asClient([Buffer.from('Zürich → 東京')]))
})

const frame = (count: number, writer: RespWriter): Buffer =>
  Buffer.concat([Buffer.from(`*${count + 1}\r\n$4\r\necho\r\n`), writer.take()])

function asClient(args: readonly Buffer[]): Buffer {
  const command = new Command('echo', [...args])
  command.stringifyArguments()
  return Buffer.from(command.toWritable(process.stdout as never))
}
