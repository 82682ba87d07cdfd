/** What must not matter does not: batches, deltas, crashes at every moment, the number of partitions, interleaving. */
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { generate } from '../../intake/generator.ts'
import { seeded } from '../../intake/random.ts'
import { defaultSettings, type Settings } from '../../schemas/settings.ts'
import { records, topics } from '../../schemas/topics.ts'
import { openMemory, type Fault, type Step, type Watch } from '../../streams/memory/index.ts'
import { TestDriver } from '../../streams/testing.ts'
import { payments } from '../../topologies/payments.ts'
import { settlement } from '../../topologies/settlement.ts'
import { runLog } from '../model/run-log.ts'
import type { Decision, LogRecord } from '../model/types.ts'
import { show } from '../simulation/agree.ts'
import { openLine, runLine, type Line, type LineOptions, type LineResult } from '../simulation/line.ts'
import { randomLog, simulatedRules, simulatedSettings } from '../simulation/random-log.ts'

const settings: Settings = { ...simulatedSettings, partitions: 2 }
const logOf = (seed: number, size: number): LogRecord[][] => randomLog(seeded(seed), size, settings)

/** Everything that was written, marks included; offsets are where a record stands, so they count too. */
const everything = ({ written }: LineResult): string[] =>
  [...written].flatMap(([topic, all]) =>
    all.map(({ type, partition, offset, value }) => `${topic} ${partition} ${type} ${offset} ${show(value)}`),
  )

/** The records of each topic without their place: crashes and interleaving may put sources in another order. */
const recordsOf = (result: LineResult): string[] =>
  [...result.written]
    .filter(([topic]) => topic !== topics.cyclePartials.name)
    .flatMap(([topic, all]) => all.map(({ type, value }) => `${topic} ${type} ${show(value)}`))

async function run(
  log: readonly (readonly LogRecord[])[],
  more: Partial<LineOptions> = {},
  chunk?: number,
): Promise<{ line: Line; result: LineResult }> {
  const line = await openLine({ settings, rules: simulatedRules, ...more })
  for (const [partition, some] of log.entries()) await line.append(partition, some, chunk)
  await line.run()
  return { line, result: await line.read() }
}

describe('batches', () => {
  const log = logOf(3, 700)
  const whole = run(log)

  test.each([
    { batchRows: 1 },
    { batchRows: 7 },
    { batchRows: 100 },
    { batchRows: 5_000 },
    { fetchBytes: 1 },
    { fetchBytes: 3_000, batchRows: 7 },
    { deltaEntries: 1 },
    { deltaEntries: 1, batchRows: 1, fetchBytes: 1 },
  ])('%o', async (task) => {
    for (const chunk of [1, 13, 500]) {
      const { line, result } = await run(log, { task }, chunk)
      expect(line.driver.digests()).toEqual((await whole).line.driver.digests())
      expect(everything(result)).toEqual(everything((await whole).result))
    }
  })

  it('one record less shows in the digest', async () => {
    const { line } = await run([log[0].slice(0, -40), log[1]])
    expect(line.driver.digests()).not.toEqual((await whole).line.driver.digests())
  })
})

describe('crashes at every moment', () => {
  const log = logOf(5, 110)
  const task = { batchRows: 9, deltaEntries: 6, fetchBytes: 2_000 }
  const steps: Step[] = ['fence', 'before-append', 'after-append', 'acquire', 'read-state', 'fetch']
  const deltas: Step[] = ['before-delta', 'after-delta']
  const losses = [
    ['keeps its state', 0],
    ['loses a tail of it', 2],
    ['loses it whole', 'whole'],
  ] as const

  /** The task dies when a step comes for the nth time; then everything starts again. */
  async function broken(step: Step, nth: number, fault: Fault, lost: number | 'whole'): Promise<LineResult | null> {
    let times = 0
    let on = false
    const watch: Watch = (moment) => {
      if (on && !moment.who.startsWith('sender-') && moment.step === step && ++times === nth) return fault
    }
    const line = await openLine({ settings, rules: simulatedRules, task, memory: { watch } })
    for (const [partition, some] of log.entries()) await line.append(partition, some.slice(0, 60), 20)
    on = true
    const codes: unknown[] = []
    await line.run().catch((error: unknown) => codes.push((error as { code?: string }).code))
    on = false
    if (times < nth) return null
    // What was lost on the way is an error of the task, a crash is one of everybody.
    expect([undefined, 'SLUICE_CLOSED', 'SLUICE_STORE_UNREACHABLE']).toContain(codes[0])
    line.backend.crash(() => lost)
    for (const [partition, some] of log.entries()) await line.append(partition, some.slice(60), 20)
    await line.run()
    expect(line.driver.digests()).toEqual((await whole).line.driver.digests())
    return line.read()
  }
  const whole = run(log, { task })

  test.each([...steps, ...deltas].flatMap((step) => losses.map(([words, lost]) => [step, words, lost] as const)))(
    '%s, and %s',
    async (step, _, lost) => {
      let moments = 0
      for (const fault of ['crash', 'lost'] as const) {
        // Every moment at first, then every few: there are some hundred fetches.
        for (let nth = 1; ; nth += nth < 6 ? 1 : 9) {
          const result = await broken(step, nth, fault, lost)
          if (result === null) break
          moments++
          expect(recordsOf(result).sort()).toEqual(recordsOf((await whole).result).sort())
        }
      }
      expect(moments).toBeGreaterThan(3)
    },
  )

  it('processes again what the state lacks, and compares', async () => {
    const line = await openLine({ settings, rules: simulatedRules, task })
    for (const [partition, some] of log.entries()) await line.append(partition, some, 20)
    await line.run()
    line.backend.crash(() => 'whole')
    await line.run()
    for (const one of line.driver.tasks) {
      expect(one.reprocessed).toBe(one.committed)
      expect(one.stored).toBe(one.committed)
    }
    await line.run()
    for (const one of line.driver.tasks) expect(one.reprocessed).toBe(0)
  })

  it('halts when processing again gives something else', async () => {
    const line = await openLine({ settings, rules: simulatedRules, task })
    for (const [partition, some] of log.entries()) await line.append(partition, some, 20)
    await line.run()
    line.backend.crash(() => 'whole')
    const other = { ...settings, graceMs: settings.graceMs + 5_000 }
    const driver = new TestDriver({
      topologies: [payments(other), settlement(other)],
      topics: Object.values(topics),
      partitions: settings.partitions,
      markOf: (topic) => (topic === topics.cyclePartials.name ? null : records.mark),
      backend: line.backend,
    })
    await expect(driver.run()).rejects.toMatchObject({ code: 'SLUICE_NOT_DETERMINISTIC' })
  })
})

describe('the number of partitions', () => {
  const items = [...generate({ seed: 21, payments: 3_000, customers: 300, terminals: 300, returnShare: 0.15 })]
  const rows = items.map(({ transaction }, row) => ({ file: 0, row, transaction }))
  const runWith = async (partitions: number): Promise<LineResult> => {
    const some = { ...defaultSettings, partitions }
    const { result } = await runLine(runLog(rows, some, { notAfter: Date.UTC(2027, 0, 1) }), { settings: some })
    return result
  }
  const decided = ({ decisions }: LineResult): string[] =>
    decisions.map((decision) => show({ ...decision, task: 0, logicalTime: 0 } satisfies Decision)).sort()

  it('1, 3 and 8 decide and settle the same when nothing is late and no hold is resolved', async () => {
    const one = await runWith(1)
    expect(one.decisions.some(({ late }) => late)).toBe(false)
    expect(one.settlements.length).toBeGreaterThan(50)
    for (const partitions of [3, 8]) {
      const other = await runWith(partitions)
      expect(decided(other)).toEqual(decided(one))
      expect(other.settlements).toEqual(one.settlements)
      expect(other.instructions).toEqual(one.instructions)
    }
  })
})

describe('the interleaving of sources', () => {
  const whole = run(randomLog(seeded(9), 500, { ...settings, partitions: 3 }), {
    settings: { ...settings, partitions: 3 },
  })

  it('does not matter, as long as each keeps its own order', async () => {
    const { result } = await whole
    const partials = result.written.get(topics.cyclePartials.name) ?? []
    expect(partials.length).toBeGreaterThan(60)
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(fc.nat({ max: 2 })), fc.integer({ min: 1, max: 40 }), async (turns, batch) => {
        const queues = [0, 1, 2].map((task) => partials.filter(({ value }) => value.task === task))
        const mixed: typeof partials = []
        for (const turn of turns) {
          const queue = queues[turn].length > 0 ? queues[turn] : queues.find(({ length }) => length > 0)
          if (queue === undefined) break
          mixed.push(queue.shift()!)
        }
        const driver = new TestDriver({
          topologies: [settlement({ ...settings, partitions: 3 })],
          topics: Object.values(topics),
          partitions: 3,
          markOf: () => records.mark,
          backend: openMemory(),
          task: { batchRows: batch },
        })
        await driver.create()
        for (let at = 0; at < mixed.length; at += batch) {
          const some = mixed.slice(at, at + batch).map(({ type, value }) => {
            const record = topics.cyclePartials.records.find(({ name }) => name === type)!
            return { key: null, type: record, value, timestamp: 0 }
          })
          await driver.send(topics.cyclePartials.name, 0, some)
          // Copies are dropped by their number.
          await driver.send(topics.cyclePartials.name, 0, some.slice(0, 2))
        }
        await driver.run()
        for (const { name } of [topics.settlements, topics.instructions]) {
          const written = (await driver.read(name)).filter(({ type }) => type !== records.mark.name)
          const expected = result.written.get(name)!.filter(({ type }) => type !== records.mark.name)
          expect(written.map(({ value }) => show(value))).toEqual(expected.map(({ value }) => show(value)))
        }
      }),
      { numRuns: 15 },
    )
  })
})
