/**
 * Room in the data file: allocated before LMDB writes, so that a full disk is met here, where it is only a refusal.
 *
 * lmdb 3.5.6 cannot be let run into a full disk: on a failed write it prints into a buffer that is too short
 * (mdb_page_flush in mdb.c), and the process may die of it. Nothing acknowledged is lost by that, but it is no clean stop.
 * So before every transaction the file is made large enough for it, by writing zeros behind LMDB's last page; LMDB later
 * overwrites them. Quotas and file size limits are met the same way. On file systems that copy on write (btrfs, zfs)
 * overwriting takes room too: there keep free space, or set a limit below it.
 */
import { closeSync, fstatSync, openSync, readSync, write as writeFile } from 'node:fs'
import { CodedError, codedStoreError, DiskFullError } from '../errors.ts'
import type { Root, Store } from './loop.ts'

const PAGE = 4096
const ZEROS = new Uint8Array(1 << 20)
/** Room is made ahead in steps of an eighth of the file within these bounds, so that it is seldom waited for. */
const LEAST_STEP = 1 << 20
const LARGEST_STEP = 16 << 20
/** Pages for LMDB's own bookkeeping (free list, roots) in a transaction. */
const SLACK = 256

/** Most pages that entries of these sizes take when they are new. */
export function pagesFor(bytes: number): number {
  // Below half a page entries share pages, which split when they are full: at worst half used.
  return bytes < PAGE / 2 ? (2 * (bytes + 24)) / PAGE : Math.ceil((bytes + 24) / PAGE) + 1
}

/** What getStats gives; lmdb's types leave it out. Reading it around getStats would leave a stale snapshot behind. */
interface Stats {
  readonly lastPageNumber: number
  readonly treeBranchPageCount: number
  readonly treeLeafPageCount: number
}

export class Room {
  readonly #file: string
  readonly #handle: number
  readonly #maxBytes: number
  readonly #root: Root
  readonly #stores: readonly Store[]
  #size: number

  /** @param maxBytes what the file may grow to, Infinity for no limit. */
  constructor(file: string, root: Root, stores: readonly Store[], maxBytes: number) {
    this.#file = file
    this.#root = root
    this.#stores = stores
    this.#maxBytes = maxBytes
    this.#handle = openSync(file, 'r+')
    this.#size = fstatSync(this.#handle).size
  }

  /** Bytes up to the last page in use, free pages within included. */
  get used(): number {
    return ((this.#root.getStats() as Stats).lastPageNumber + 1) * PAGE
  }

  /** Size of the file: what it takes on disk. */
  get size(): number {
    return this.#size
  }

  /**
   * Makes room for a transaction. Errors: DiskFullError, and nothing has changed.
   * @param newPages for entries that are new; @param touched entries whose page and the way to it are copied.
   */
  async reserve(newPages: number, touched: number): Promise<void> {
    const trees = this.#stores.map((store) => store.getStats() as Stats)
    const tree = trees.reduce((sum, { treeBranchPageCount, treeLeafPageCount }) => {
      return sum + treeBranchPageCount + treeLeafPageCount
    }, 0)
    const copied = Math.min(6 * touched, 2 * tree)
    const pages = Math.ceil(newPages) + copied + Math.ceil(tree / 256) + SLACK
    const target = (trees[0].lastPageNumber + 1 + pages) * PAGE
    if (target > this.#maxBytes) {
      throw new DiskFullError(`${this.#file} would grow to ${target} bytes, the limit is ${this.#maxBytes}`)
    }
    if (target <= this.#size) return
    const step = Math.min(LARGEST_STEP, Math.max(LEAST_STEP, this.#size / 8))
    const ahead = Math.min(this.#maxBytes, Math.ceil((target + step) / PAGE) * PAGE)
    try {
      await this.#extend(ahead)
    } catch (error) {
      if (!(error instanceof DiskFullError)) throw error
      await this.#extend(target)
    }
  }

  async #extend(to: number): Promise<void> {
    while (this.#size < to) {
      const length = Math.min(ZEROS.length, to - this.#size)
      const written = await new Promise<number>((resolve, reject) => {
        writeFile(this.#handle, ZEROS, 0, length, this.#size, (error, count) => {
          if (error) reject(codedStoreError(error, `${this.#file}, growing to ${to} bytes`))
          else resolve(count)
        })
      })
      this.#size += written
    }
  }

  close(): void {
    closeSync(this.#handle)
  }
}

/**
 * Checks that a file is an LMDB environment of the expected format and not cut short; an absent or empty one is a new one.
 * LMDB itself trusts the file: a foreign one ends the process. Errors: SLUICE_STORE_DAMAGED.
 */
export function assertEnvironment(file: string): void {
  let handle: number
  try {
    handle = openSync(file, 'r')
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return
    throw codedStoreError(error, file)
  }
  try {
    const { size } = fstatSync(handle)
    if (size === 0) return
    let [newest, lastPage] = [-1n, 0n]
    for (const at of [0, PAGE]) {
      // Header of a page 24 bytes, then: magic 4, version 4, address 8, map size 8, two trees of 48, last page 8, txn 8.
      const meta = Buffer.alloc(160)
      const read = readSync(handle, meta, 0, meta.length, at)
      const known = read === meta.length && meta.readUInt32LE(24) === 0xbe_ef_c0_de && meta.readUInt32LE(28) === 2
      if (!known || meta.readUInt32LE(48) !== PAGE) {
        throw new CodedError('SLUICE_STORE_DAMAGED', `${file} is not a data file of this program (page ${at / PAGE})`)
      }
      const transaction = meta.readBigUInt64LE(152)
      if (transaction > newest) [newest, lastPage] = [transaction, meta.readBigUInt64LE(144)]
    }
    const needed = Number(lastPage + 1n) * PAGE
    if (size < needed)
      throw new CodedError('SLUICE_STORE_DAMAGED', `${file} has ${size} of ${needed} bytes: it was cut`)
  } finally {
    closeSync(handle)
  }
}
