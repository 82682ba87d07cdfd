/** The events of the yardstick: its own schema of 15 fields, 138 bytes on average, in record batches of 500. */

import avro from 'avsc'
import { RecordBatchWriter } from '../../streams/records.ts'

const type = avro.Type.forSchema({
  type: 'record',
  name: 'Transaction',
  fields: [
    { name: 'transactionId', type: 'string' },
    { name: 'accountId', type: 'string' },
    { name: 'merchantId', type: 'string' },
    { name: 'deviceId', type: 'string' },
    { name: 'amountMinor', type: 'long' },
    { name: 'currency', type: 'string' },
    { name: 'country', type: 'string' },
    {
      name: 'channel',
      type: { type: 'enum', name: 'Channel', symbols: ['CARD', 'TRANSFER', 'WALLET', 'DIRECT_DEBIT'] },
    },
    { name: 'mcc', type: 'int' },
    { name: 'eventTime', type: 'long' },
    { name: 'counterpartyBank', type: 'string' },
    { name: 'ip', type: ['null', 'string'], default: null },
    { name: 'lat', type: 'double' },
    { name: 'lon', type: 'double' },
    { name: 'cardPresent', type: 'boolean' },
  ],
})

const CHANNELS = ['CARD', 'TRANSFER', 'WALLET', 'DIRECT_DEBIT']
const CURRENCIES = ['USD', 'EUR', 'GBP', 'JPY', 'CHF']
const COUNTRIES = ['US', 'DE', 'GB', 'JP', 'CH', 'FR', 'BR', 'NG']
const START = 1_767_225_600_000
const BATCH = 500
const RATE = 20_000
const DUPLICATES = 0.02
const RECENT = 20_000

/** `count` events of 100,000 accounts, 10,000 merchants and 200,000 devices as record batches. */
export function labBatches(count: number): Uint8Array[] {
  let state = 12_345
  const random = (): number => {
    state ^= state << 13
    state >>>= 0
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state / 2 ** 32
  }
  const below = (n: number): number => Math.floor(random() * n)
  /** 20 % of the traffic goes to 1 % of the keys. */
  const skewed = (n: number): number => (random() < 0.2 ? below(n * 0.01) : below(n))
  const hex = (): string =>
    below(2 ** 32)
      .toString(16)
      .padStart(8, '0')
  const recent: Buffer[] = []
  const batches: Uint8Array[] = []
  const writer = new RecordBatchWriter(BATCH * 256)
  const one = (at: number): Buffer => {
    if (recent.length > 1000 && random() < DUPLICATES) return recent[below(recent.length)]
    const id = hex() + hex() + hex() + hex()
    const value = type.toBuffer({
      transactionId: `${id.slice(0, 8)}-${id.slice(8, 12)}-${id.slice(12, 16)}-${id.slice(16, 20)}-${id.slice(20)}`,
      accountId: `ACC-${String(skewed(100_000)).padStart(8, '0')}`,
      merchantId: `MER-${String(skewed(10_000)).padStart(6, '0')}`,
      deviceId: ((skewed(200_000) * 2_654_435_761) % 2 ** 32).toString(16).padStart(16, '0'),
      amountMinor: 1 + Math.floor(random() * random() * 500_000),
      currency: CURRENCIES[below(5)],
      country: COUNTRIES[below(8)],
      channel: CHANNELS[below(4)],
      mcc: 4000 + below(2000),
      eventTime: at - below(200),
      counterpartyBank: `BANK${COUNTRIES[below(8)]}2LXXX`,
      ip: random() < 0.8 ? `203.0.113.${below(255)}` : null,
      lat: random() * 180 - 90,
      lon: random() * 360 - 180,
      cardPresent: random() < 0.5,
    })
    // The wire prefix, then the value.
    const wired = Buffer.concat([Buffer.of(0, 0, 0, 0, 7), value])
    if (recent.length < RECENT) recent.push(wired)
    else recent[below(RECENT)] = wired
    return wired
  }
  for (let event = 0; event < count; event++) {
    const at = START + Math.floor((event * 1000) / RATE)
    if (writer.count === 0) writer.begin(at)
    const value = one(at)
    // The account stands behind the prefix, the id (1 + 36 bytes) and its own length.
    writer.append(at, value, 43, 12, value)
    if (writer.count === BATCH || event === count - 1) {
      batches.push(writer.finish())
      writer.begin(0)
    }
  }
  return batches
}
