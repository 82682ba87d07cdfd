/** A line seen from outside its workers: the first picture is one whose parts fit together, whoever writes first. */
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { Mirror } from '../../cli/mirror.ts'
import { sheetOf } from '../../cli/sheet.ts'
import { defaultSettings } from '../../schemas/settings.ts'
import { openMemory } from '../../streams/memory/index.ts'
import { input, lineOn, send } from '../streams/distributed-child/line.ts'

async function processed() {
  const backend = openMemory()
  const driver = lineOn(backend)
  await driver.create()
  await send(driver, input(), 0, Infinity)
  await driver.run()
  const settings = { ...defaultSettings, partitions: 2 }
  return { backend, driver, line: { backend, settings, hashKey: new Int32Array([1, 2, 3, 4]) } }
}

it('is taken at once where every state is written', async () => {
  const { line } = await processed()
  const { balanced, payments } = await sheetOf(await Mirror.open(line), 0)
  expect([balanced, payments.received > 4_000]).toEqual([true, true])
})

it('waits for a source task whose state is not written yet, and balances then', async () => {
  const { line, backend, driver } = await processed()
  // As it stands while its worker has committed, the settlement task has merged, and the next delta is due in a second.
  backend.fallBack('payments-0', 2)
  let opened = false
  const opening = Mirror.open(line).finally(() => (opened = true))
  await sleep(1_200)
  expect(opened).toBe(false)
  await driver.run()
  expect(await sheetOf(await opening, 0)).toMatchObject({ balanced: true, faults: [] })
})

it('does not wait for ever for a worker that is gone: it shows what there is, and that this does not balance', async () => {
  const { line, backend } = await processed()
  backend.loseState('payments-0')
  expect((await sheetOf(await Mirror.open(line), 0)).balanced).toBe(false)
})
