/** A directory of its own for each test file, gone at its end. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

export function temporaryDirectory(name: string): string {
  const path = mkdtempSync(join(tmpdir(), `sluice-${name}-`))
  afterAll(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 }))
  return path
}

/** Waits until a condition holds; the bound only ends a test that hangs. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, ms = 60_000): Promise<void> {
  const end = performance.now() + ms
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`still not after ${ms} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** True while a process with this id runs; one that has ended and was not yet waited for does not. */
export function runs(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
