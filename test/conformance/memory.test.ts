/** The in-memory backend of the test driver against the suite of every backend. */
import { openMemory } from '../../streams/memory/index.ts'
import { conformance, type Subject } from './suite.ts'

const outlives = 'nothing of the in-memory backend outlives the process'

conformance(
  'the in-memory backend',
  async (): Promise<Subject> => {
    const backend = openMemory()
    return { backend, trim: (at, before) => backend.trim(at, before), close: () => backend.close() }
  },
  { skips: { reopen: outlives } },
)
