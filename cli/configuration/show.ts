/** The configuration in force, for people: every key with its value, where it came from, and no secret. */

import type { Loaded } from './load.ts'
import { keys, type NamedKey } from './schema.ts'

/** In place of a secret. */
const MASK = '***'

/** A value as it may be printed: secrets and passwords in addresses masked. */
export function shown({ secret, fallback }: NamedKey, value: unknown): string {
  if (value === '' || (Array.isArray(value) && value.length === 0)) return ''
  if (secret) return MASK
  const text = Array.isArray(value) ? value.join(',') : String(value as string | number | boolean)
  if (typeof fallback !== 'string') return text
  const parsed = URL.parse(text)
  if (parsed === null || parsed.password === '') return text
  parsed.password = MASK
  return parsed.href
}

export interface ShownKey {
  readonly key: string
  readonly value: string
  /** 'default', or what gave it. */
  readonly from: string
}

export function shownKeys({ configuration, origins }: Loaded): ShownKey[] {
  return keys.map((key) => {
    let value: unknown = configuration
    for (const part of key.path.split('.')) value = (value as Record<string, unknown>)[part]
    return { key: key.path, value: shown(key, value), from: origins.get(key.path) ?? 'default' }
  })
}
