/** Kinds of configuration values: how each is read from text or from a file, and what is allowed, in words. */

import { readFileSync } from 'node:fs'

/** Why a value is not taken, as the end of a sentence that begins with the value: "is not a whole number". */
export class Refused {
  readonly why: string
  constructor(why: string) {
    this.why = why
  }
}

/** One key of the configuration. */
export interface Key<T> {
  readonly isKey: true
  /** What it is for, a sentence or two; part of docs/configuration.md. */
  readonly about: string
  /** What is allowed, in words. */
  readonly allowed: string
  readonly fallback: T
  /** Never printed, and may come from a file that NAME_FILE names. */
  readonly secret: boolean
  /** Reads what the file, the environment (always text) or a flag says. */
  readonly read: (raw: unknown) => T | Refused
}

interface Extras {
  readonly secret?: boolean
}

const key = <T>(
  about: string,
  allowed: string,
  fallback: T,
  read: Key<T>['read'],
  { secret = false }: Extras = {},
): Key<T> => ({ isKey: true, about, allowed, fallback, read, secret })

const isText = (raw: unknown): raw is string => typeof raw === 'string' && raw !== ''

/** A text that may be absent (empty). */
export const text = (about: string, fallback = '', extras: Extras = {}): Key<string> =>
  key(about, 'a text', fallback, (raw) => (isText(raw) ? raw : new Refused('is not a text')), extras)

export const secret = (about: string): Key<string> => text(about, '', { secret: true })

/** A text that matches a pattern; `allowed` says it in words. */
export const named = (about: string, fallback: string, pattern: RegExp, allowed: string): Key<string> =>
  key(about, allowed, fallback, (raw) => {
    return typeof raw === 'string' && pattern.test(raw) ? raw : new Refused('is not that')
  })

export const whole = (about: string, fallback: number, least: number, most: number): Key<number> =>
  key(about, `a whole number from ${least} to ${most}`, fallback, (raw) => {
    const value = typeof raw === 'string' && /^-?\d+$/.test(raw) ? Number(raw) : raw
    if (typeof value !== 'number' || !Number.isInteger(value)) return new Refused('is not a whole number')
    if (value < least) return new Refused('is too small')
    return value > most ? new Refused('is too large') : value
  })

export const yesNo = (about: string, fallback: boolean): Key<boolean> =>
  key(about, 'true or false', fallback, (raw) => {
    if (raw === true || raw === 'true') return true
    return raw === false || raw === 'false' ? false : new Refused('is neither true nor false')
  })

export const oneOf = <T extends string>(about: string, fallback: T, values: readonly T[]): Key<T> =>
  key(about, values.filter((value) => value !== '').join(', '), fallback, (raw) => {
    return values.find((value) => value === raw) ?? new Refused('is none of these')
  })

/** host:port of one or more servers, separated by commas, or a list in a file. */
export const servers = (about: string): Key<readonly string[]> =>
  key<readonly string[]>(about, 'host:port, several separated by commas', [], (raw) => {
    const given: unknown[] = Array.isArray(raw) ? raw : typeof raw === 'string' ? raw.split(',') : [raw]
    const list = given.map((each) => (typeof each === 'string' ? each.trim() : ''))
    const wrong = list.find((each) => !isServer(each))
    return wrong === undefined && list.length > 0 ? list : new Refused(`has '${wrong ?? ''}', which is not host:port`)
  })

function isServer(each: string): boolean {
  const found = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})$/.exec(each)
  return found !== null && Number(found[1]) >= 1 && Number(found[1]) <= 65_535
}

/** A URL of one of some schemes. One with a password in it counts as a secret when it is printed. */
export const url = (about: string, fallback: string, ...schemes: string[]): Key<string> =>
  key(about, `a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`, fallback, (raw) => {
    const parsed = typeof raw === 'string' ? URL.parse(raw) : null
    if (parsed === null) return new Refused('is not a URL')
    const scheme = parsed.protocol.slice(0, -1)
    return schemes.includes(scheme) ? (raw as string) : new Refused(`has the scheme ${scheme}`)
  })

/** Path of a PEM file that has to be readable now: one of another format is else refused by a library that names no file. */
export const pemFile = (about: string): Key<string> =>
  key(about, 'the path of a PEM file that this process may read', '', (raw) => {
    if (!isText(raw)) return new Refused('is not a path')
    try {
      return readFileSync(raw, 'latin1').includes('-----BEGIN ') ? raw : new Refused('is not in PEM format')
    } catch {
      return new Refused('cannot be read')
    }
  })
