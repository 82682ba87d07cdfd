/** The services that a test file needs, all of them or the reasons why not; started by it, ended by it. */
import type { Found, Service } from './cache.ts'
import { kafka } from './kafka.ts'
import { redis } from './redis.ts'

const starters = { kafka, redis } as const satisfies Record<string, () => Promise<Found>>

export type ServiceName = keyof typeof starters
export type Services<Name extends ServiceName> = Record<Name, Service> & { readonly stop: () => Promise<void> }

/** Starts services side by side. When one is missing the others are ended, and the reasons are told. */
export async function services<Name extends ServiceName>(
  ...names: Name[]
): Promise<Services<Name> | { readonly missing: string }> {
  const found = await Promise.all(names.map(async (name) => [name, await starters[name]()] as const))
  const running = found.flatMap(([, service]) => ('missing' in service ? [] : [service]))
  const stop = async (): Promise<void> => void (await Promise.all(running.map((service) => service.stop())))
  const reasons = found.flatMap(([, service]) => ('missing' in service ? [service.missing] : []))
  if (reasons.length > 0) {
    await stop()
    return { missing: reasons.join('; ') }
  }
  return { ...(Object.fromEntries(found) as Record<Name, Service>), stop }
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
