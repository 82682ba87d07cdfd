/**
 * One suite for every backend: what the seam (streams/backend.ts) promises, B1 to B6, on log, state and group.
 *
 * It asks nothing of a backend but the seam. What one cannot do is skipped by name, and the skip carries its reason.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Backend, TopicPartition } from '../../streams/backend.ts'
import { groupRules } from './group.ts'
import { logRules } from './log.ts'
import { stateRules } from './state.ts'

/** A backend under test, fresh: no topic, no writer, no state. */
export interface Subject {
  backend: Backend
  /** Closes it and opens the same log and state again. Absent where nothing outlives the process. */
  reopen?(): Promise<Backend>
  /** Forgets records before an offset, as retention does. */
  trim?(at: TopicPartition, before: number): Promise<number> | number
  close(): Promise<void>
}

export type Feature = 'reopen' | 'trim'

export interface Conformance {
  /** Why a feature is not there; its tests are skipped with these words. */
  readonly skips?: Partial<Record<Feature, string>>
  /**
   * The log keeps offsets that no reader sees (markers behind commits, records that were given up): offsets ascend, but
   * not by one, and a partition ends behind the last record.
   */
  readonly gaps?: boolean
}

export interface Tools {
  /** The subject of this file; tests use names of their own. */
  readonly subject: () => Subject
  /** A name that no other test uses. */
  readonly fresh: (what: string) => string
  readonly gaps: boolean
  /** A test that needs a feature. */
  readonly needs: (feature: Feature, title: string, test: () => Promise<void>) => void
}

export function conformance(
  name: string,
  open: () => Promise<Subject>,
  { skips = {}, gaps = false }: Conformance = {},
): void {
  describe(`${name} keeps the rules of the seam`, () => {
    let subject: Subject
    let names = 0
    beforeAll(async () => {
      subject = await open()
    })
    afterAll(() => subject.close())
    const tools: Tools = {
      subject: () => subject,
      fresh: (what) => `${what}-${++names}`,
      gaps,
      needs(feature, title, test) {
        it(`${title}`, async ({ skip }) => {
          const reason = skips[feature]
          if (reason !== undefined) skip(reason)
          await test()
          expect.hasAssertions()
        })
      },
    }
    describe('log', () => {
      logRules(tools)
    })
    describe('state', () => {
      stateRules(tools)
    })
    describe('group', () => {
      groupRules(tools)
    })
    it('has a clock in milliseconds', () => {
      expect(Number.isInteger(subject.backend.clock.now())).toBe(true)
    })
  })
}
