/** The committed types are what the schemas give. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { generated } from '../../schemas/generate.ts'

test('generated.ts is what the .avsc files say (npm run generate)', () => {
  expect(readFileSync(new URL('../../schemas/generated.ts', import.meta.url), 'utf8')).toBe(generated())
})
