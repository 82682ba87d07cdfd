/** The page of `serve` over Kafka in a real Chromium: money moves, it balances, and it says which point it shows. */
import { chromium as playwright, type Browser } from 'playwright-core'
import { afterAll, describe, expect, it } from 'vitest'
import { chromium, noChromium } from '../dashboard/chromium.ts'
import { sluice } from '../lib/sluice.ts'
import { sleep } from '../services/cache.ts'
import { missingOf, running, services } from '../services/index.ts'
import { environmentOf } from './cluster-names.ts'
import { Processes, type Going } from './cluster-process.ts'

const found = await services('kafka', 'redis')
const missing = missingOf(found) ?? (chromium === null ? noChromium : null)
/** Bounds what a broken page can cost; nothing here is a measure of speed. */
const patience = 60_000

describe.skipIf(missing !== null)(`the page of a cluster${missing === null ? '' : ` (${missing})`}`, () => {
  const processes = new Processes()
  let browser: Browser | null = null
  afterAll(async () => {
    await browser?.close()
    await processes.stop()
    await running(found).stop()
  })
  const start = (env: NodeJS.ProcessEnv, ...args: readonly string[]): Going => processes.start(env, args)

  it('shows money moving and settling, balances, and says as of when, also while no worker stores anything', async () => {
    const env = environmentOf(running(found))
    expect(await sluice(['init', '--partitions', '2', '--cycle', '2', '--grace', '1'], undefined, env)).toMatchObject({
      code: 0,
    })
    const worker = start(env, 'worker')
    const door = start(env, 'serve', '--members', 'any', '--port', '0')
    const [, address] = await door.until(/Page +(http:\/\/\S+)/)
    const url = new URL(address).origin
    let sent = 0
    const post = async (count: number): Promise<void> => {
      const payments = Array.from({ length: count }, (_, n) => ({
        producer: 'shop',
        transactionId: `T${sent + n}`,
        payerAccount: `acc-${(sent + n) % 97}`,
        payeeAccount: `payee-${n % 13}`,
        payerBank: `bank-${n % 3}`,
        payeeBank: `bank-${(n + 1) % 3}`,
        amount: `${10 + (n % 50)}.25`,
        currency: n % 2 === 0 ? 'EUR' : 'USD',
        occurredAt: new Date(Date.now()).toISOString(),
      }))
      const response = await fetch(`${url}/v1/transactions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(payments),
      })
      expect(response.status).toBe(202)
      sent += count
    }

    browser = await playwright.launch({ executablePath: chromium ?? '', args: ['--no-sandbox'] })
    const page = await browser.newPage({ viewport: { width: 1280, height: 1400 } })
    page.setDefaultTimeout(patience)
    const errors: string[] = []
    page.on('pageerror', (error) => errors.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text())
    })
    await page.goto(address)
    await page.getByText('Live', { exact: true }).waitFor()
    const text = (selector: string): Promise<string> => page.locator(selector).innerText()
    const figure = async (name: string): Promise<number> => Number((await text(`#figure-${name}`)).replace(/\D/g, ''))

    // Money comes in until it has been seen to move.
    const moving = page.locator('#flow text.mover').first().waitFor()
    let moved = false
    void moving.then(() => (moved = true))
    while (!moved) {
      await post(20)
      await sleep(250)
    }
    const decided = async (): Promise<number> => (await figure('settled')) + (await figure('held'))
    while ((await figure('received')) < sent || (await decided()) < sent) await sleep(200)
    expect(await text('#figure-balanced')).toBe('Yes')
    expect(await text('#balance')).toMatch(/EUR[\s\S]*USD/)
    expect(await text('#as-of')).toMatch(/^As of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC: what the workers have stored/)
    const instant = (): Promise<string> => text('#balance-as-of')
    const before = await instant()
    while ((await instant()) === before) await sleep(100)

    // Without a worker what is stored stands still. The point that is named stays, and what waits grows.
    expect(await worker.stop()).toBe(0)
    await sleep(2_000)
    const stands = await instant()
    await post(40)
    while (Number((await text('#waiting')).replace(/\D/g, '')) < 40) await sleep(100)
    expect(await instant()).toBe(stands)
    expect(await figure('received')).toBe(sent - 40)
    const sheet = (await (await fetch(`${url}/v1/balance`)).json()) as {
      asOf: { streamTime: number; positions: Record<string, number> }
    }
    expect(`as of ${new Date(sheet.asOf.streamTime).toISOString().slice(11, 19)} UTC`).toBe(stands)
    expect(Object.keys(sheet.asOf.positions)).toEqual(['payments-0', 'payments-1', 'settlement-0'])

    start(env, 'worker')
    while ((await figure('received')) < sent || (await instant()) === stands) await sleep(200)
    expect(await text('#figure-balanced')).toBe('Yes')
    const printed = await sluice(['balance'], undefined, env)
    expect(printed.stdout).toMatch(/^As of \S+Z \(stream time\), as the workers have stored it: payments-0 at \d+/)
    expect(errors).toEqual([])
  })
})
