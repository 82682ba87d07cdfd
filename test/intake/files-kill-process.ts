/** A process of its own that imports files into a data directory; ends when done, and says at each step where it is. */
import { writeSync } from 'node:fs'
import { importFiles } from '../../intake/files/index.ts'
import { defaultSettings } from '../../schemas/settings.ts'
import { openEmbedded } from '../../streams/embedded/index.ts'

const [dataDirectory, clock, ...files] = process.argv.slice(2)
const backend = await openEmbedded({ directory: dataDirectory, logicVersion: 'test', ruleVersion: 'test' })
const said = (word: string): void => {
  writeSync(1, `${word}\n`)
}
const result = await importFiles({
  log: backend.log,
  clock: { now: () => Number(clock) },
  settings: { ...defaultSettings, partitions: 3 },
  dataDirectory,
  files,
  closedThrough: 0,
  commitRows: 500,
  progress: ({ phase }) => said(phase),
})
said(`done ${result.status}`)
await backend.close()
