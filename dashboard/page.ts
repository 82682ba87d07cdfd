/** The page's files, read once at the start: no build step, nothing from elsewhere. */
import { readdirSync, readFileSync } from 'node:fs'
import { extname } from 'node:path'

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** A file as it is served. */
export interface PageFile {
  readonly type: string
  readonly body: Uint8Array
}

/**
 * The files of dashboard/page by their path; '/' is the page with the token of this start built in. Paths that are not in
 * the directory are null: a path never reaches the file system.
 */
export function createPage(): { file(path: string, token: string): PageFile | null } {
  const directory = new URL('page/', import.meta.url)
  const files = new Map<string, PageFile>()
  for (const name of readdirSync(directory)) {
    const type = types[extname(name)]
    if (type !== undefined) files.set(`/${name}`, { type, body: readFileSync(new URL(name, directory)) })
  }
  const html = new TextDecoder().decode(files.get('/index.html')?.body)
  files.delete('/index.html')
  return {
    file(path, token) {
      if (path !== '/') return files.get(path) ?? null
      if (!/^[\w-]+$/.test(token)) throw new Error('The token must be base64url: it is written into the page.')
      return { type: types['.html'], body: new TextEncoder().encode(html.replace('{{token}}', token)) }
    },
  }
}
