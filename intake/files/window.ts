/** A file read piece by piece through one reused buffer: memory is bounded by the longest row, not by the file. */
import type { FileHandle } from 'node:fs/promises'
import { ImportRefused } from './refusals.ts'

export class Window {
  /** Bytes that were read and not yet taken: bytes[at .. end). */
  bytes: Uint8Array
  at = 0
  end = 0
  /** Nothing follows `end`. */
  eof = false
  private position = 0
  private readonly handle: FileHandle
  private readonly size: number
  private readonly name: string
  private readonly read: ((piece: Uint8Array) => void) | null

  /** `size`: how far the file is read, whatever is appended meanwhile. `read` sees every byte once, in order. */
  constructor(
    handle: FileHandle,
    name: string,
    size: number,
    capacity: number,
    read: ((piece: Uint8Array) => void) | null,
  ) {
    this.handle = handle
    this.name = name
    this.size = size
    this.bytes = new Uint8Array(capacity)
    this.read = read
  }

  /** Number of bytes read so far. */
  get taken(): number {
    return this.position
  }

  /** Reads on: what was not taken moves to the front of the buffer, which grows when one row fills it. */
  async fill(): Promise<void> {
    if (this.at > 0) {
      this.bytes.copyWithin(0, this.at, this.end)
      this.end -= this.at
      this.at = 0
    }
    if (this.end === this.bytes.length) {
      const larger = new Uint8Array(this.bytes.length * 2)
      larger.set(this.bytes)
      this.bytes = larger
    }
    const room = Math.min(this.bytes.length - this.end, this.size - this.position)
    if (room > 0) {
      const { bytesRead } = await this.handle.read(this.bytes, this.end, room, this.position)
      if (bytesRead === 0)
        throw new ImportRefused('SLUICE_IMPORT_FILE_CHANGED', `${this.name} became shorter while it was read.`)
      this.read?.(this.bytes.subarray(this.end, this.end + bytesRead))
      this.end += bytesRead
      this.position += bytesRead
    }
    this.eof = this.position === this.size
  }
}
