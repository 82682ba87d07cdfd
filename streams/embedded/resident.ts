/**
 * Gives the pages of the map back from time to time. LMDB reads through a map of its file, and every page that was ever
 * read counts as this process's memory although the system may take it away at any time: a process that reads a log of
 * 2 GB seems to need 2 GB. The pages stay in the page cache; only this process's claim on them ends (madvise on a shared
 * map of a file that is never written through it). Linux with ffi-rs; elsewhere the figure is only larger.
 */
import { readFileSync, realpathSync } from 'node:fs'

const MADV_DONTNEED = 4
/** After so much was read or written: a call costs about a millisecond, the pages are read again at memory speed. */
const EVERY_BYTES = 32 * 1024 * 1024

type Advise = (address: number, length: number) => void

export class ResidentMap {
  private readonly file: string
  private touchedBytes = 0
  private advise: Advise | null = null

  constructor(file: string) {
    this.file = file
    void this.load()
  }

  /** Tells how many bytes were read or written through the environment. */
  touched(bytes: number): void {
    this.touchedBytes += bytes
    if (this.touchedBytes < EVERY_BYTES || this.advise === null) return
    this.touchedBytes = 0
    const path = realpathSync(this.file)
    // When the file outgrew its map there are several; all of them count.
    for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
      if (!line.endsWith(path)) continue
      const [start, end] = line
        .slice(0, line.indexOf(' '))
        .split('-')
        .map((hex) => Number.parseInt(hex, 16))
      this.advise(start, end - start)
    }
  }

  private async load(): Promise<void> {
    if (process.platform !== 'linux') return
    try {
      const { default: ffi } = await import('ffi-rs')
      ffi.open({ library: 'libc', path: 'libc.so.6' })
      this.advise = (address, length) => {
        ffi.load({
          library: 'libc',
          funcName: 'madvise',
          retType: ffi.DataType.I32,
          paramsType: [ffi.DataType.I64, ffi.DataType.I64, ffi.DataType.I32],
          paramsValue: [address, length, MADV_DONTNEED],
        })
      }
    } catch {
      // No such library here (musl, another architecture): nothing depends on it but a figure.
      this.advise = null
    }
  }
}
