/** Group commit: who shares which commit, what is refused, and what an error does. Against a scripted log and the real one. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { LogAppender } from '../../intake/http/append.ts'
import { QueueFullError, type IntakeRecord } from '../../intake/http/ports.ts'
import { createHttpServer, newToken } from '../../intake/http/server.ts'
import type { Commit, Log, Writer } from '../../streams/backend.ts'
import { openEmbedded, type EmbeddedBackend } from '../../streams/embedded/index.ts'
import { FencedError } from '../../streams/errors.ts'
import { countRecords, newFrame, walk } from '../../streams/records.ts'
import { FakeAlerts, FakeHolds, FakeQueries, now } from './fake-ports.ts'

const record = (text: string, partition = 0): IntakeRecord => ({
  partition,
  key: Buffer.from(text),
  value: Buffer.from(`value of ${text}`),
  timestamp: now,
})

/** A log whose commits wait until the test lets them through. */
class ScriptedLog {
  readonly commits: { commit: Commit; done: PromiseWithResolvers<void> }[] = []
  writers = 0
  closed = 0

  partitions(): Promise<number> {
    return Promise.resolve(4)
  }

  writer(id: string): Promise<Writer> {
    this.writers++
    return Promise.resolve({
      id,
      committed: null,
      proven: -1,
      maxInFlight: 1,
      commit: (commit: Commit) => {
        const done = Promise.withResolvers<void>()
        this.commits.push({ commit, done })
        return done.promise
      },
      close: () => {
        this.closed++
        return Promise.resolve()
      },
    })
  }

  /** Waits for the n-th commit (from 0). */
  async begun(n: number): Promise<{ commit: Commit; done: PromiseWithResolvers<void> }> {
    for (let i = 0; i < 1000 && this.commits.length <= n; i++) await new Promise((resolve) => setImmediate(resolve))
    return this.commits[n]
  }
}

const recordsOf = (commit: Commit): number =>
  commit.appends.reduce((sum, { batches }) => sum + countRecords(batches), 0)

async function scripted(options: object = {}): Promise<{ log: ScriptedLog; appender: LogAppender }> {
  const log = new ScriptedLog()
  const appender = await LogAppender.open({ log: log as unknown as Log, topic: 'transactions', ...options })
  return { log, appender }
}

describe('who shares a commit', () => {
  test('one in flight, everybody else in the next', async () => {
    const { log, appender } = await scripted()
    const first = appender.append([record('a')])
    const one = await log.begun(0)
    const others = Array.from({ length: 999 }, (_, i) => appender.append([record(`b${i}`, i % 4)]))
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(log.commits.length).toBe(1)
    one.done.resolve()
    await first
    const two = await log.begun(1)
    expect(recordsOf(two.commit)).toBe(999)
    expect(two.commit.appends.map(({ partition }) => partition).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3])
    expect(two.commit.position).toBe(-1)
    two.done.resolve()
    await Promise.all(others)
    expect(log.commits.length).toBe(2)
  })

  test('posts of one turn of the event loop share the first commit', async () => {
    const { log, appender } = await scripted()
    const both = [appender.append([record('a')]), appender.append([record('b')])]
    const one = await log.begun(0)
    expect(recordsOf(one.commit)).toBe(2)
    one.done.resolve()
    await Promise.all(both)
  })

  test('nobody is answered before the commit is durable', async () => {
    const { log, appender } = await scripted()
    let answered = false
    const appending = appender.append([record('a')]).then(() => (answered = true))
    const one = await log.begun(0)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(answered).toBe(false)
    one.done.resolve()
    await appending
  })
})

describe('what is refused', () => {
  test.each([
    ['records', { maxWaitingRecords: 3 }],
    ['bytes', { maxWaitingBytes: 100 }],
  ])('more %s than may wait: at once, and the others go through', async (_, limit) => {
    const { log, appender } = await scripted(limit)
    const first = appender.append([record('a')])
    const one = await log.begun(0)
    const waiting = [1, 2, 3].map((i) => appender.append([record(`b${i}`)]))
    await expect(appender.append([record('c'), record('d')])).rejects.toBeInstanceOf(QueueFullError)
    one.done.resolve()
    const two = await log.begun(1)
    expect(recordsOf(two.commit)).toBe(3)
    two.done.resolve()
    await Promise.all([first, ...waiting])
  })
})

describe('errors', () => {
  test('an indefinite one is told to its group; the next group has another writer', async () => {
    const { log, appender } = await scripted()
    const first = appender.append([record('a')])
    const one = await log.begun(0)
    const second = appender.append([record('b')])
    one.done.reject(new Error('the disk is slow'))
    await expect(first).rejects.toThrow('the disk is slow')
    const two = await log.begun(1)
    expect(log.writers).toBe(2)
    expect(log.closed).toBe(1)
    two.done.resolve()
    await second
  })

  test('a fenced one stays closed', async () => {
    const { log, appender } = await scripted()
    const first = appender.append([record('a')])
    const one = await log.begun(0)
    one.done.reject(new FencedError('writer http-intake'))
    await expect(first).rejects.toThrow('SLUICE_FENCED')
    await expect(appender.append([record('b')])).rejects.toThrow('taken over')
    expect(log.writers).toBe(1)
  })

  test('closing finishes the commit that runs and refuses who waits', async () => {
    const { log, appender } = await scripted()
    const first = appender.append([record('a')])
    const one = await log.begun(0)
    const second = appender.append([record('b')])
    const refused = second.then(
      () => 'queued',
      (error: Error) => error.message,
    )
    const closing = appender.close()
    one.done.resolve()
    await Promise.all([first, closing])
    expect(await refused).toContain('closing')
    await expect(appender.append([record('c')])).rejects.toThrow('closing')
    expect(log.commits.length).toBe(1)
  })
})

describe('over the embedded backend', () => {
  const directories: string[] = []
  const backends: EmbeddedBackend[] = []
  async function embedded(directory = mkdtempSync(join(tmpdir(), 'sluice-append-'))): Promise<EmbeddedBackend> {
    directories.push(directory)
    const backend = await openEmbedded({ directory, logicVersion: '1', ruleVersion: '1' })
    backends.push(backend)
    await backend.log.createTopics([{ name: 'transactions', partitions: 4 }])
    return backend
  }
  afterEach(async () => {
    for (const backend of backends.splice(0)) await backend.close()
    for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true })
  })

  async function keysIn(backend: EmbeddedBackend): Promise<string[]> {
    const keys: string[] = []
    const frame = newFrame(64)
    for (let partition = 0; partition < 4; partition++) {
      const at = { topic: 'transactions', partition }
      const { start, end } = await backend.log.bounds(at)
      for (let offset = start; offset < end;) {
        const { bytes, nextOffset } = await backend.log.read(at, offset, 1 << 20, 0)
        walk(bytes, offset, frame)
        for (let row = 0; row < frame.rows; row++)
          keys.push(
            Buffer.from(
              bytes.subarray(frame.keyOffsets[row], frame.keyOffsets[row] + frame.keyLengths[row]),
            ).toString(),
          )
        offset = nextOffset
      }
    }
    return keys
  }

  test('what was answered 202 over HTTP is there when the directory is opened again, each once', async () => {
    const backend = await embedded()
    const intake = await LogAppender.open({ log: backend.log, topic: 'transactions' })
    const server = createHttpServer({
      port: 0,
      intake,
      queries: new FakeQueries(),
      holds: new FakeHolds(),
      alerts: new FakeAlerts(),
      events: { snapshot: () => null, everyMs: 1000 },
      health: () => Promise.resolve({ status: 'ok', version: '1', backend: backend.name, problems: [] }),
      clock: { now: () => now },
      times: { earliest: 0, maxAheadMs: 30_000 },
      token: newToken(),
    })
    const { port } = await server.listen()
    const before = backend.usage().transactions
    const posts = Array.from({ length: 500 }, (_, i) =>
      fetch(`http://127.0.0.1:${port}/v1/transactions`, {
        method: 'POST',
        body: JSON.stringify({
          transactionId: `P${i}`,
          occurredAt: now,
          payerAccount: `account-${i}`,
          payeeAccount: 'x',
          payerBank: 'a',
          payeeBank: 'b',
          amount: '1.00',
          currency: 'EUR',
        }),
      }),
    )
    const statuses = await Promise.all(posts.map(async (posting) => (await posting).status))
    expect(new Set(statuses)).toEqual(new Set([202]))
    expect(backend.usage().transactions - before).toBeLessThan(250)
    await server.close()
    await intake.close()
    await backend.close()
    backends.length = 0
    const again = await embedded(backend.directory)
    expect((await keysIn(again)).toSorted()).toEqual(Array.from({ length: 500 }, (_, i) => `account-${i}`).toSorted())
  })

  test('a second intake fences the first', async () => {
    const backend = await embedded()
    const first = await LogAppender.open({ log: backend.log, topic: 'transactions' })
    const second = await LogAppender.open({ log: backend.log, topic: 'transactions' })
    await expect(first.append([record('a')])).rejects.toThrow('SLUICE_FENCED')
    await second.append([record('b')])
    expect(await keysIn(backend)).toEqual(['b'])
  })
})
