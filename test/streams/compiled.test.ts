/** Compiled loops are kept, those that were asked for last, and never without end. */
import { expect, test } from 'vitest'
import { compiledOnce } from '../../streams/compiled.ts'

test('what is asked for again is the same, and schemas of strangers do not pile up', () => {
  const owner = {}
  const made = new Map<string, number>()
  const ask = (key: string): object =>
    compiledOnce(owner, key, () => {
      made.set(key, (made.get(key) ?? 0) + 1)
      return { key }
    })
  const ours = ask('ours')
  for (let n = 0; n < 10_000; n++) {
    ask(`stranger ${n}`)
    if (n % 100 === 0) ask('ours')
  }
  expect(ask('ours')).toBe(ours)
  expect(ask('stranger 9999')).toEqual({ key: 'stranger 9999' })
  ask('stranger 0')
  expect(['ours', 'stranger 0', 'stranger 9999'].map((key) => made.get(key))).toEqual([1, 2, 1])
})
