/** The page in a real Chromium, against a scripted world: it shows, it lives, it acts by keyboard, and it leaks nothing. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium as playwright, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createPage } from '../../dashboard/page.ts'
import { settledPayment, startServer } from '../intake/fake-ports.ts'
import { chromium, noChromium } from './chromium.ts'
import { firstHold, World } from './world.ts'

/** As much of the browser as the functions below use that run in it; the compiler knows Node alone. */
interface InBrowser {
  readonly textContent: string | null
  getAttribute(name: string): string | null
  setAttribute(name: string, value: string): void
  hasAttribute(name: string): boolean
}
declare const document: {
  readonly activeElement: InBrowser | null
  readonly body: InBrowser
  readonly documentElement: { readonly scrollWidth: number }
  querySelector(selector: string): InBrowser | null
  getAnimations(): readonly unknown[]
}
declare const window: { readonly innerWidth: number }
declare function getComputedStyle(element: InBrowser): { readonly backgroundColor: string }

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
/** Bounds what a broken page can cost; nothing here is a measure of speed. */
const patience = 20_000

interface Opened {
  readonly page: Page
  readonly world: World
  readonly started: Awaited<ReturnType<typeof startServer>>
  /** Errors of the console and of scripts. */
  readonly errors: string[]
  /** Addresses outside the server that the page asked for. */
  readonly outside: string[]
}

describe.skipIf(chromium === null)(`the page${chromium === null ? ` (${noChromium})` : ''}`, () => {
  let browser: Browser
  const closing: (() => Promise<void>)[] = []

  beforeAll(async () => {
    browser = await playwright.launch({ executablePath: chromium ?? '', args: ['--no-sandbox'] })
  })
  afterAll(() => browser.close())
  afterEach(async () => {
    for (const close of closing.splice(0)) await close()
  })

  async function open(options: BrowserContextOptions = {}, world = new World()): Promise<Opened> {
    const events = { snapshot: () => world.snapshot(), everyMs: 100 }
    const started = await startServer({ page: createPage(), events })
    started.queries.known.push(
      settledPayment,
      {
        ...settledPayment,
        ...firstHold,
        state: 'held',
        receipt: { ...settledPayment.receipt!, outcome: 'HOLD', reasons: ['velocityHour'] },
        cycle: null,
        instructions: [],
      },
      { ...settledPayment, transactionId: firstHold.transactionId, payerAccount: 'DE-00000000', amountMinor: '1' },
    )
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
    context.setDefaultTimeout(patience)
    const page = await context.newPage()
    const errors: string[] = []
    const outside: string[] = []
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text())
    })
    page.on('pageerror', (error) => errors.push(error.message))
    page.on('request', (request) => {
      const { url } = started
      if (!request.url().startsWith(url) && !request.url().startsWith('data:')) outside.push(request.url())
    })
    closing.push(async () => {
      await context.close()
      await started.server.close()
      expect(errors, 'errors in the console').toEqual([])
      expect(outside, 'requests that left the machine').toEqual([])
    })
    await page.goto(started.url)
    await page.getByText('Live', { exact: true }).waitFor()
    await page.locator('#holds .hold').first().waitFor()
    return { page, world, started, errors, outside }
  }

  /** Presses Tab until the element that has the focus fits; fails when it never comes. */
  async function tabTo(page: Page, name: string): Promise<void> {
    for (let i = 0; i < 80; i++) {
      await page.keyboard.press('Tab')
      const focused = await page.evaluate(() => {
        const element = document.activeElement
        return (
          element?.getAttribute('aria-label') ?? element?.getAttribute('name') ?? element?.textContent?.trim() ?? ''
        )
      })
      if (focused.startsWith(name)) return
    }
    throw new Error(`'${name}' cannot be reached with the Tab key`)
  }

  const text = (page: Page, selector: string): Promise<string> => page.locator(selector).innerText()

  test('shows the flow, the cycles, the banks, and that it balances', async () => {
    const { page } = await open()
    expect(await text(page, '#figure-balanced')).toBe('Yes')
    expect(await page.locator('#flow .node').count()).toBe(18)
    expect(await page.locator('#flow svg').getAttribute('aria-label')).toContain('transactions to readable')
    expect(await page.locator('#flow .rate', { hasText: '/s' }).count()).toBeGreaterThan(10)
    const cycles = await text(page, '#cycles')
    for (const word of ['Filling', 'Closing', 'closed by 3 of 4', 'Settled', 'net 182\u202f641.20\u00a0EUR'])
      expect(cycles).toContain(word)
    expect(await text(page, '#positions')).toContain('−718\u202f834.00')
    expect(await text(page, '#balance')).toContain('1\u202f300')
    expect(await page.locator('#balance .check').allInnerTexts()).toEqual(['✓ adds up', '✓ adds up'])
    expect(await text(page, '#simulated')).toContain('Time is simulated, 60 times')
  })

  test('says nothing of simulated time on the wall clock', async () => {
    const world = new World()
    world.clock = 'WALL'
    const { page } = await open({}, world)
    expect(await page.locator('#simulated').isVisible()).toBe(false)
    expect(await text(page, '#clock-name')).toBe('Stream time')
  })

  test('says which point it shows where the tasks run elsewhere, and nothing where they run here', async () => {
    const world = new World()
    const { page } = await open({}, world)
    expect(await page.locator('#as-of').isVisible()).toBe(false)
    world.asOf = { streamTime: Date.UTC(2026, 0, 5, 12, 1, 32), positions: { 'payments-0': 40 } }
    world.step++
    await page.locator('#as-of').waitFor()
    expect(await text(page, '#as-of')).toBe(
      'As of 2026-01-05 12:01:32 UTC: what the workers have stored, which trails what they have done.',
    )
    expect(await text(page, '#balance-as-of')).toBe('as of 12:01:32 UTC')
  })

  test('says so when it does not balance, whatever the server says', async () => {
    const world = new World()
    world.balanced = false
    const { page } = await open({}, world)
    expect(await text(page, '#figure-balanced')).toBe('No')
    expect(await page.locator('#balance .check').last().innerText()).toBe('✗ does not add up')
  })

  test('lives: numbers, cycles and new alerts come without a reload', async () => {
    const { page, world } = await open()
    const before = await text(page, '#figure-settled')
    const alerts = await page.locator('#alerts .entry').count()
    world.step += 3
    await page.waitForFunction((old) => document.querySelector('#figure-settled')?.textContent !== old, before)
    expect(await page.locator('#alerts .entry').count()).toBe(alerts + 3)
    expect(await text(page, '#stream-time')).toBe('2026-01-05 12:01:38')
  })

  test('amounts move along the edges, and stop when they shall', async () => {
    const { page } = await open()
    await page.locator('#flow text.mover').first().waitFor()
    const place = (): Promise<string | null> => page.locator('#flow text.mover').first().getAttribute('transform')
    const first = await place()
    await page.waitForFunction(
      (old) => document.querySelector('#flow text.mover')?.getAttribute('transform') !== old,
      first,
    )
    await page.getByRole('button', { name: 'Pause motion' }).press('Enter')
    expect(await page.locator('#flow .mover').count()).toBe(0)
    expect(await page.locator('#motion').getAttribute('aria-pressed')).toBe('true')
  })

  test('nothing moves for who asked for less motion', async () => {
    const { page } = await open({ reducedMotion: 'reduce' })
    await page.waitForTimeout(400)
    expect(await page.locator('#flow .mover').count()).toBe(0)
    const animated = await page.evaluate(() => document.getAnimations().length)
    expect(animated).toBe(0)
  })

  test('releases a hold by keyboard alone', async () => {
    const { page, world, started } = await open()
    await tabTo(page, 'Release HOLD-1')
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor()
    expect(await page.evaluate(() => document.activeElement?.getAttribute('name'))).toBe('by')
    await page.keyboard.type('Ada')
    await page.keyboard.press('Tab')
    await page.keyboard.type('called the payer')
    await tabTo(page, 'Release')
    world.holds = world.holds.slice(1)
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    await page.getByText('Released. It joins the cycle of 12:00.').waitFor()
    expect(started.holds.asked[0].identity).toEqual({
      producer: 'shop',
      payerAccount: 'DE-44556677',
      transactionId: 'HOLD-1',
    })
    await page
      .getByRole('button', { name: /HOLD-1/ })
      .first()
      .waitFor({ state: 'detached' })
  })

  test('rejects, and shows why it was refused', async () => {
    const { page, started, errors } = await open()
    started.holds.outcome = { event: 'REFUSED', cycleStart: null, why: 'Nothing is held under this identity.' }
    await page.getByRole('button', { name: /^Reject HOLD-1/ }).press('Enter')
    await page.getByLabel('Who decides').fill('Ada')
    await page.getByLabel('Why').fill('not ours')
    await page.keyboard.press('Tab')
    await page.getByRole('dialog').getByRole('button', { name: 'Reject' }).press('Enter')
    await page.getByRole('alert').getByText('Nothing is held under this identity.').waitFor()
    expect(await page.getByRole('dialog').isVisible()).toBe(true)
    await page.keyboard.press('Escape')
    expect(await page.getByRole('dialog').isVisible()).toBe(false)
    // A refusal is a 409, which the browser writes into its console by itself.
    expect(errors.splice(0)).toEqual([expect.stringContaining('409')])
  })

  test('what came too late is released only with the word that it was not settled elsewhere', async () => {
    const { page, started } = await open()
    await page.getByRole('button', { name: /^Release HOLD-2/ }).press('Enter')
    await page.getByLabel('Who decides').fill('Ada')
    await page.getByLabel('Why').fill('asked the bank')
    await page.locator('#resolve-submit').press('Enter')
    expect(started.holds.asked).toEqual([])
    await page.getByLabel('not settled elsewhere').press('Space')
    await page.locator('#resolve-submit').press('Enter')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    expect(started.intake.records.at(-1)?.value.at(-1)).toBe(1)
  })

  test('a row that has the focus keeps it while the page lives', async () => {
    const { page, world } = await open()
    await page.getByRole('button', { name: /^Reject HOLD-2/ }).focus()
    world.step += 5
    world.holds = world.holds.slice(1)
    await page
      .getByRole('button', { name: /HOLD-1/ })
      .first()
      .waitFor({ state: 'detached' })
    expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toContain('Reject HOLD-2')
  })

  test('finds a payment and shows its receipt', async () => {
    const { page } = await open()
    await page.getByLabel('Producer').fill('shop')
    await page.getByLabel('Payment id').fill('P1')
    await page.keyboard.press('Enter')
    await page.locator('#found .payment').waitFor()
    const found = await text(page, '#found')
    for (const word of [
      '100.00\u00a0EUR',
      'settled',
      '••••5678',
      'approve',
      'velocity hour',
      '+20',
      'bank-a pays',
      '0123456789abcdef',
    ])
      expect(found).toContain(word)
    await page.getByText('What the rules saw').press('Enter')
    expect(await text(page, '#found')).toContain('absent')
  })

  test('a receipt from the list of holds is of that payer, not of another with the same id', async () => {
    const { page } = await open()
    await page.locator('#holds').getByRole('button', { name: 'HOLD-1', exact: true }).press('Enter')
    await page.locator('#receipt .payment').waitFor()
    expect(await page.locator('#receipt .payment').count()).toBe(1)
    expect(await text(page, '#receipt')).toContain('12\u202f500.00\u00a0EUR')
    await page.getByRole('button', { name: 'Close' }).press('Enter')
    expect(await page.getByRole('dialog').isVisible()).toBe(false)
  })

  test('no account number reaches the page', async () => {
    const { page } = await open()
    const html = await page.content()
    for (const account of [firstHold.payerAccount, 'DE-12345670']) expect(html).not.toContain(account)
    expect(html).toContain('••••6677')
  })

  test('what a payment carries never becomes markup', async () => {
    const world = new World()
    world.hostile = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
    const { page } = await open({}, world)
    expect(await page.locator('#alerts img, #alerts script').count()).toBe(0)
    expect(await text(page, '#alerts')).toContain('<img src=x')
    expect(await page.title()).toContain('Sluice')
  })

  test('says that the connection is lost, comes back, and is loaded anew by a restarted server', async () => {
    const { page, started, errors } = await open()
    await page.evaluate(() => document.body.setAttribute('data-old', 'yes'))
    await started.server.close()
    await page.getByText('Connection lost').waitFor()
    const world = new World()
    const again = await startServer({
      port: started.port,
      page: createPage(),
      events: { snapshot: () => world.snapshot(), everyMs: 100 },
    })
    await page.waitForFunction(() => !document.body.hasAttribute('data-old'))
    await page.getByText('Live', { exact: true }).waitFor()
    expect(await page.locator('#holds .hold').count()).toBe(2)
    await page.goto('about:blank')
    await again.server.close()
    // The browser itself writes failed connections into the console.
    errors.splice(0, errors.length, ...errors.filter((error) => !/Failed to load resource|ERR_/.test(error)))
  })

  const looks: [string, BrowserContextOptions][] = [
    ['on a desk', {}],
    ['in dark mode', { colorScheme: 'dark' }],
    ['on a phone', { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }],
    ['on a phone in dark mode', { viewport: { width: 390, height: 844 }, colorScheme: 'dark' }],
  ]
  test.each(looks)('%s: nothing overflows, and axe-core finds nothing', async (_, options) => {
    const { page } = await open({ reducedMotion: 'reduce', ...options })
    const widths = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth])
    expect(widths[0]).toBeLessThanOrEqual(widths[1])
    const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    expect(dark).toBe(options.colorScheme === 'dark' ? 'rgb(15, 21, 25)' : 'rgb(246, 245, 241)')
    // The policy of the page forbids foreign scripts; the inspector's world is not bound by it.
    const audit = async (): Promise<string[]> => {
      const found = (await page.evaluate('axe.run(document, { resultTypes: ["violations"] })')) as {
        violations: { id: string; nodes: { target: unknown[]; failureSummary: string }[] }[]
      }
      return found.violations.flatMap(({ id, nodes }) =>
        nodes.map((node) => `${id} at ${String(node.target)}: ${node.failureSummary}`),
      )
    }
    await page.evaluate(readFileSync(axe, 'utf8'))
    expect(await audit()).toEqual([])
    await page.getByLabel('Producer').fill('shop')
    await page.getByLabel('Payment id').fill('P1')
    await page.keyboard.press('Enter')
    await page.locator('#found .payment').waitFor()
    await page.getByText('What the rules saw').click()
    await page.getByText('The same as a table').click()
    expect(await audit()).toEqual([])
    await page.getByRole('button', { name: /^Release HOLD-2/ }).press('Enter')
    expect(await audit()).toEqual([])
  })
})

test('the page says what it may load and who may frame it', async () => {
  const started = await startServer({ page: createPage() })
  const response = await fetch(started.url)
  const policy = response.headers.get('content-security-policy') ?? ''
  expect(policy).toContain("default-src 'none'")
  expect(policy).toContain("frame-ancestors 'none'")
  expect(policy).not.toContain('unsafe')
  expect(await response.text()).toContain(started.token)
  for (const path of ['/app.js', '/style.css', '/icon.svg']) expect((await fetch(started.url + path)).status).toBe(200)
  for (const path of ['/index.html', '/../page.ts', '/%2e%2e/page.ts'])
    expect((await fetch(started.url + path)).status).toBe(404)
  await started.server.close()
})
