/** The embedded backend against the suite of every backend. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEmbedded } from '../../streams/embedded/index.ts'
import { conformance, type Subject } from './suite.ts'

conformance('the embedded backend', async (): Promise<Subject> => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-conformance-'))
  const options = { directory, logicVersion: '1', ruleVersion: '1' }
  let backend = await openEmbedded(options)
  return {
    backend,
    reopen: async () => {
      await backend.close()
      return (backend = await openEmbedded(options))
    },
    trim: (at, before) => backend.trim(at, before),
    close: async () => {
      await backend.close()
      rmSync(directory, { recursive: true })
    },
  }
})
