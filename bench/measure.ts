/** Rounds of several contenders in turn, so that what else runs on the machine meets all of them alike. */

import os from 'node:os'

export interface Spread {
  readonly min: number
  readonly median: number
  readonly max: number
}

export const spread = (values: readonly number[]): Spread => {
  const sorted = [...values].sort((a, b) => a - b)
  return { min: sorted[0], median: sorted[sorted.length >> 1], max: sorted[sorted.length - 1] }
}

/** CPU (user and system, all threads) that `work` took, microseconds. */
export async function cpuMicros(work: () => unknown): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return user + system
}

/** CPU microseconds of each contender by round. One more round goes before and does not count: it warms up. */
export async function rounds<Name extends string>(
  count: number,
  contenders: Readonly<Record<Name, () => unknown>>,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(contenders) as Name[]
  const took = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>
  for (let round = -1; round < count; round++) {
    for (const name of names) {
      const micros = await cpuMicros(contenders[name])
      if (round >= 0) took[name].push(micros)
    }
  }
  return took
}

/** What was measured on: cores, memory, version. */
export const machine = (): string =>
  `${os.cpus().length} cores (${os.cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(os.totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`

export const round = (value: number, digits = 2): number => Number(value.toFixed(digits))
