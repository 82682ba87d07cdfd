/** generate: seeded payments as CSV in our own columns, fraud labels aside. */

import { createWriteStream } from 'node:fs'
import { once } from 'node:events'
import { finished } from 'node:stream/promises'
import { generate as generated, type Generated } from '../intake/generator.ts'
import { csvChunks, labelRow, labelsHeader } from '../intake/generator-csv.ts'
import { exitCodes, say, UsageError } from './output.ts'

export interface GenerateOptions {
  readonly payments: number
  readonly seed: number
  readonly banks: number
  readonly out: string
  readonly labels?: string
  readonly disorder: number
  readonly duplicates: number
  readonly conflicts: number
  readonly returns: number
  readonly rate?: number
}

/** Writes the file ('-' is standard output); memory does not grow with it. */
export async function generate(options: GenerateOptions): Promise<number> {
  const { payments, seed, banks, out, disorder } = options
  if (options.labels === out) throw new UsageError('--labels and --out must be different files.')
  const items = generated({
    payments,
    seed,
    banks,
    disorderMs: disorder,
    duplicateShare: options.duplicates,
    conflictShare: options.conflicts,
    returnShare: options.returns,
    paymentsPerSecond: options.rate ?? null,
  })
  const stream = out === '-' ? process.stdout : createWriteStream(out)
  const labels = options.labels === undefined ? null : createWriteStream(options.labels)
  labels?.write(labelsHeader)
  let rows = 0
  const onRow = (item: Generated): void => {
    rows++
    labels?.write(labelRow(item))
  }
  for (const chunk of csvChunks(items, onRow)) if (!stream.write(chunk)) await once(stream, 'drain')
  for (const file of [stream, labels]) {
    if (file === null || file === process.stdout) continue
    file.end()
    await finished(file)
  }
  say(`${rows.toLocaleString('en-US')} rows (seed ${seed}).`)
  return exitCodes.ok
}
