/** When a broker is ready for tests: it knows of all brokers, and coordinates groups and transactions, or knows who does. */
import { Connection, findCoordinatorV4, metadataV12 } from '@platformatic/kafka'

const GROUP = 0
const TRANSACTION = 1
/** So many requests one after the other: a first one that is refused makes the broker create what it lacks. */
const KEYS = Array.from({ length: 5 }, (_, index) => `ready-${index}`)

/**
 * True when the broker answers and knows of so many brokers or more. Asking for coordinators makes the internal topics,
 * which else the first test waits for.
 */
export async function ready(port: number, atLeast: number): Promise<boolean> {
  const connection = new Connection('ready', { connectTimeout: 2_000, requestTimeout: 5_000 })
  connection.on('error', () => undefined)
  try {
    await connection.connect('127.0.0.1', port)
    const metadata = await metadataV12.api.async(connection, [], false)
    if (metadata.brokers.length < atLeast) return false
    for (const type of [GROUP, TRANSACTION]) {
      const { coordinators } = await findCoordinatorV4.api.async(connection, type, KEYS)
      if (coordinators.some(({ errorCode }) => errorCode !== 0)) return false
    }
    return true
  } catch {
    // Not yet: whoever asks says what the broker wrote when it is given up.
    return false
  } finally {
    await connection.close()
  }
}
