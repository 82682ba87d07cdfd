/**
 * The yardstick: dedup, three windows, a logistic score and an encoder over columns, one tight loop per stage, nothing
 * generic in it. How fast a machine can do this is what the line is measured against; its work is smaller.
 */

import { crc32c } from '../../streams/hash.ts'
import { Identities } from './identities.ts'
import { KeyedWindow } from './keyed-window.ts'

const ROWS = 4096
const HEADER = 61
const SCHEMA_ID = 8
const BUCKET_MS = 10_000

export class LabKernel {
  events = 0
  alerts = 0
  duplicates = 0
  outputBytes = 0
  scores = 0
  private readonly accounts = new KeyedWindow(120_000, 60_000, ROWS)
  private readonly merchants = new KeyedWindow(12_000, 300_000, ROWS)
  private readonly devices = new KeyedWindow(240_000, 3_600_000, ROWS)
  private readonly identities = new Identities(400_000, ROWS)
  private readonly out = new Uint8Array(1 << 20)
  private readonly outView = new DataView(this.out.buffer)
  private readonly values = new Int32Array(ROWS)
  private readonly starts = new Int32Array(ROWS)
  private readonly accountAt = new Int32Array(ROWS)
  private readonly accountLength = new Int32Array(ROWS)
  private readonly merchantAt = new Int32Array(ROWS)
  private readonly merchantLength = new Int32Array(ROWS)
  private readonly deviceAt = new Int32Array(ROWS)
  private readonly deviceLength = new Int32Array(ROWS)
  private readonly amountAt = new Int32Array(ROWS)
  private readonly currencyEnd = new Int32Array(ROWS)
  private readonly timeAt = new Int32Array(ROWS)
  private readonly categories = new Int32Array(ROWS)
  private readonly present = new Uint8Array(ROWS)
  private readonly amounts = new Float64Array(ROWS)
  private readonly times = new Float64Array(ROWS)
  private readonly scored = new Float64Array(ROWS)

  /** One record batch, at most 4,096 records. */
  process(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    if (crc32c(bytes.subarray(21)) !== view.getUint32(17)) throw new Error('the checksum does not match')
    const rows = this.walk(bytes, view.getInt32(57))
    const kept = this.identities.keepNew(bytes, this.values, rows, this.starts)
    this.duplicates += rows - kept
    this.decode(bytes, kept)
    const { accounts, merchants, devices, times, amounts } = this
    accounts.hash(bytes, view, this.accountAt, this.accountLength, kept)
    merchants.hash(bytes, view, this.merchantAt, this.merchantLength, kept)
    devices.hash(bytes, view, this.deviceAt, this.deviceLength, kept)
    accounts.find(bytes, view, this.accountAt, this.accountLength, kept)
    merchants.find(bytes, view, this.merchantAt, this.merchantLength, kept)
    devices.find(bytes, view, this.deviceAt, this.deviceLength, kept)
    accounts.add(times, amounts, kept)
    merchants.add(times, amounts, kept)
    devices.add(times, amounts, kept)
    this.score(kept)
    this.seal(this.encode(bytes, view, kept), kept)
    this.events += kept
  }

  private walk(bytes: Uint8Array, rows: number): number {
    const { values } = this
    let p = HEADER
    for (let row = 0; row < rows; row++) {
      let byte = bytes[p++]
      let length = byte & 127
      for (let shift = 7; byte > 127; shift += 7) {
        byte = bytes[p++]
        length |= (byte & 127) << shift
      }
      const end = p + (length >>> 1)
      p++
      while (bytes[p++] > 127);
      while (bytes[p++] > 127);
      byte = bytes[p++]
      let key = byte & 127
      for (let shift = 7; byte > 127; shift += 7) {
        byte = bytes[p++]
        key |= (byte & 127) << shift
      }
      p += key >>> 1
      while (bytes[p++] > 127);
      values[row] = p + 5
      p = end
    }
    return rows
  }

  private decode(b: Uint8Array, rows: number): void {
    const { starts, accountAt, accountLength, merchantAt, merchantLength, deviceAt, deviceLength } = this
    const { amountAt, currencyEnd, categories, timeAt, times, amounts, present } = this
    for (let row = 0; row < rows; row++) {
      let p = starts[row] + 37
      accountLength[row] = b[p] >> 1
      accountAt[row] = p + 1
      p += 1 + (b[p] >> 1)
      merchantLength[row] = b[p] >> 1
      merchantAt[row] = p + 1
      p += 1 + (b[p] >> 1)
      deviceLength[row] = b[p] >> 1
      deviceAt[row] = p + 1
      p += 1 + (b[p] >> 1)
      amountAt[row] = p
      let byte = b[p++]
      let value = byte & 127
      for (let shift = 7; byte > 127; shift += 7) {
        byte = b[p++]
        value |= (byte & 127) << shift
      }
      amounts[row] = (value >>> 1) ^ -(value & 1)
      p += 1 + (b[p] >> 1)
      currencyEnd[row] = p
      p += 1 + (b[p] >> 1)
      p++
      byte = b[p++]
      value = byte & 127
      for (let shift = 7; byte > 127; shift += 7) {
        byte = b[p++]
        value |= (byte & 127) << shift
      }
      categories[row] = (value >>> 1) ^ -(value & 1)
      timeAt[row] = p
      // A time of our days takes six bytes.
      const low = (b[p] & 127) | ((b[p + 1] & 127) << 7) | ((b[p + 2] & 127) << 14) | ((b[p + 3] & 127) << 21)
      const high = (b[p + 4] & 127) | (b[p + 5] << 7)
      times[row] = (high * 268_435_456 + low) / 2
      p += 6
      p += 1 + (b[p] >> 1)
      if (b[p++] === 2) p += 1 + (b[p] >> 1)
      present[row] = b[p + 16]
    }
  }

  private score(rows: number): void {
    const { accounts, merchants, devices, amounts, categories, present, times, scored } = this
    for (let row = 0; row < rows; row++) {
      const amount = amounts[row]
      const count = accounts.counts[row]
      const mean = count > 0 ? accounts.sums[row] / count : 0
      const ratio = mean > 0 ? amount / mean : 1
      const sales = merchants.counts[row]
      const sale = sales > 0 ? merchants.sums[row] / sales : 0
      const saleRatio = sale > 0 ? amount / sale : 1
      const night = Math.floor(times[row] / 3_600_000) % 24 < 6
      const z =
        -4.2 +
        0.08 * count +
        0.35 * (ratio > 8 ? 8 : ratio) +
        0.15 * (saleRatio > 8 ? 8 : saleRatio) +
        0.002 * devices.counts[row] +
        (categories[row] > 5900 ? 0.7 : 0) +
        (present[row] === 1 ? -0.6 : 0.3) +
        (amount > 300_000 ? 1.1 : 0) +
        0.000001 * accounts.largest[row] +
        (night ? 0.2 : 0)
      scored[row] = 1 / (1 + Math.exp(-z))
    }
  }

  private encode(b: Uint8Array, view: DataView, rows: number): number {
    const { out, outView, starts, accountAt, accountLength, merchantAt, merchantLength } = this
    const { amountAt, currencyEnd, timeAt, times, scored, accounts, merchants, devices } = this
    let w = HEADER
    for (let row = 0; row < rows; row++) {
      const score = scored[row]
      const decision = score > 0.8 ? 2 : score > 0.5 ? 1 : 0
      this.scores += score
      if (decision !== 0) this.alerts++
      const length = accountLength[row]
      const value = starts[row]
      const start = w
      w += 2
      out[w] = 0
      out[w + 1] = 0
      w += 2
      if (row < 64) out[w++] = row << 1
      else {
        out[w++] = ((row << 1) & 127) | 128
        out[w++] = row >> 6
      }
      out[w++] = length << 1
      let from = accountAt[row]
      let j = 0
      for (; j + 4 <= length; j += 4) outView.setInt32(w + j, view.getInt32(from + j, true), true)
      for (; j < length; j++) out[w + j] = b[from + j]
      w += length
      const lengthAt = w
      w += 2
      out[w] = out[w + 1] = out[w + 2] = out[w + 3] = 0
      out[w + 4] = SCHEMA_ID
      w += 5
      // Id, account and merchant stand one after the other, with their lengths.
      const head = merchantAt[row] + merchantLength[row] - value
      for (j = 0; j + 4 <= head; j += 4) outView.setInt32(w + j, view.getInt32(value + j, true), true)
      for (; j < head; j++) out[w + j] = b[value + j]
      w += head
      for (from = amountAt[row]; from < currencyEnd[row]; from++) out[w++] = b[from]
      outView.setFloat64(w, score, true)
      w += 8
      out[w++] = decision << 1
      w = writeInt(out, w, accounts.counts[row])
      w = writeLong(out, w, accounts.sums[row])
      w = writeInt(out, w, merchants.counts[row])
      w = writeInt(out, w, devices.counts[row])
      from = timeAt[row]
      for (j = 0; j < 6; j++) out[w + j] = b[from + j]
      w += 6
      const bucket = Math.floor(times[row] / BUCKET_MS) * BUCKET_MS * 2
      const high = Math.floor(bucket / 268_435_456)
      const low = bucket - high * 268_435_456
      out[w] = (low & 127) | 128
      out[w + 1] = ((low >>> 7) & 127) | 128
      out[w + 2] = ((low >>> 14) & 127) | 128
      out[w + 3] = ((low >>> 21) & 127) | 128
      out[w + 4] = (high & 127) | 128
      out[w + 5] = high >>> 7
      w += 6
      const valueLength = (w - lengthAt - 2) << 1
      out[lengthAt] = (valueLength & 127) | 128
      out[lengthAt + 1] = valueLength >> 7
      out[w++] = 0
      const bodyLength = (w - start - 2) << 1
      out[start] = (bodyLength & 127) | 128
      out[start + 1] = bodyLength >> 7
    }
    return w
  }

  private seal(end: number, rows: number): void {
    const { out, outView } = this
    out.fill(0, 0, HEADER)
    outView.setInt32(8, end - 12)
    out[16] = 2
    outView.setInt32(23, rows - 1)
    outView.setBigInt64(43, -1n)
    outView.setInt16(51, -1)
    outView.setInt32(53, -1)
    outView.setInt32(57, rows)
    outView.setUint32(17, crc32c(out.subarray(21, end)))
    this.outputBytes += end
  }
}

function writeInt(out: Uint8Array, at: number, value: number): number {
  let rest = value << 1
  while (rest > 127) {
    out[at++] = (rest & 127) | 128
    rest >>>= 7
  }
  out[at++] = rest
  return at
}

function writeLong(out: Uint8Array, at: number, value: number): number {
  let rest = value * 2
  while (rest >= 128) {
    out[at++] = (rest % 128) | 128
    rest = Math.floor(rest / 128)
  }
  out[at++] = rest
  return at
}
