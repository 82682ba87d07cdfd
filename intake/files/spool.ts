/** Keeps what can be read only once (standard input, pipes) in a file under the data directory, so that it can be read twice. */
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { codedStoreError } from '../../streams/errors.ts'
import { ImportRefused, isFull } from './refusals.ts'
import { type InputFile, inputFile } from './rows.ts'

/** How standard input is named in records. */
export const stdinName = 'stdin'

/** The directory of an import's working files, empty: what a crash left behind is of no use. */
export async function workDirectory(dataDirectory: string): Promise<string> {
  const directory = join(dataDirectory, 'import')
  try {
    await rm(directory, { recursive: true, force: true })
    await mkdir(directory, { mode: 0o700, recursive: true })
  } catch (error) {
    throw codedStoreError(error, directory)
  }
  return directory
}

/**
 * The files to import. '-' and what is no regular file is spooled first; `said` is told. `piece`: called with the bytes
 * spooled so far. Errors: ImportRefused.
 */
export async function gather(
  paths: readonly string[],
  stdin: Readable,
  directory: string,
  said: (text: string) => void,
  piece: (bytes: number) => void | Promise<void>,
): Promise<InputFile[]> {
  const files: InputFile[] = []
  for (const [index, path] of paths.entries()) {
    if (path !== '-' && (await isRegular(path))) {
      files.push(await inputFile(path))
      continue
    }
    const name = path === '-' ? stdinName : basename(path)
    const spooled = join(directory, `spool-${index}`)
    said(`${name} is spooled to disk first, so that it can be read twice.`)
    let bytes = 0
    const source = path === '-' ? stdin : createReadStream(path)
    try {
      await pipeline(
        source,
        async function* (chunks: AsyncIterable<Uint8Array | string>) {
          for await (const chunk of chunks) {
            bytes += chunk.length
            await piece(bytes)
            yield chunk
          }
        },
        createWriteStream(spooled, { mode: 0o600 }),
      )
    } catch (error) {
      if (isFull(error)) {
        throw new ImportRefused('SLUICE_IMPORT_NO_SPACE', `The disk became full while ${name} was spooled.`)
      }
      throw error
    }
    files.push(await inputFile(spooled, name))
  }
  return files
}

async function isRegular(path: string): Promise<boolean> {
  try {
    const found = await stat(path)
    if (found.isDirectory()) throw new ImportRefused('SLUICE_IMPORT_FILE_UNREADABLE', `${path} is a directory.`)
    return found.isFile()
  } catch (error) {
    if (error instanceof ImportRefused) throw error
    const code = (error as { code?: string }).code ?? String(error)
    throw new ImportRefused('SLUICE_IMPORT_FILE_UNREADABLE', `${path} cannot be read (${code}).`)
  }
}
