/** Finds a Chromium for the tests of the page; without one they are skipped, and say so. */
import { existsSync } from 'node:fs'

const candidates = [
  process.env.SLUICE_CHROMIUM ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
]

/** Path of the browser, or null. */
export const chromium = candidates.find((path) => path !== '' && existsSync(path)) ?? null

export const noChromium = 'no Chromium: install the package chromium, or set SLUICE_CHROMIUM to its path'
