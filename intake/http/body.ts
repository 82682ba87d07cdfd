/** Reads request bodies up to a limit, and writes JSON answers. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { HttpError } from './door.ts'

const tooLarge = (limit: number): HttpError =>
  new HttpError(413, 'body-too-large', `The body is larger than ${limit} bytes. Send it in several requests.`, {
    // What is left of it is not read, so the connection cannot be used again.
    connection: 'close',
  })

/** The whole body. Errors: HttpError 413 above `limit` bytes; an Error when the caller goes away in the middle. */
export function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > limit) return Promise.reject(tooLarge(limit))
  return new Promise((resolve, reject) => {
    let first: Buffer | null = null
    let more: Buffer[] | null = null
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > limit) {
        request.pause()
        reject(tooLarge(limit))
      } else if (first === null) first = chunk
      else (more ??= [first]).push(chunk)
    })
    request.on('end', () => resolve(more === null ? (first ?? Buffer.alloc(0)) : Buffer.concat(more)))
    request.on('error', reject)
    request.on('close', () => {
      if (!request.complete) reject(new HttpError(400, 'body-cut', 'The request ended before its body did.'))
    })
  })
}

/** A JSON object from a body; anything else is a 400. */
export async function readObject(request: IncomingMessage, limit: number): Promise<Record<string, unknown>> {
  const body = await readBody(request, limit)
  let value: unknown
  try {
    value = JSON.parse(body.toString('utf8'))
  } catch (error) {
    throw new HttpError(400, 'json-syntax', `The body is not JSON: ${(error as Error).message}.`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new HttpError(400, 'not-an-object', 'The body must be one JSON object.')
  return value as Record<string, unknown>
}

/** Answers with JSON; nothing may cache or sniff it. */
export function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = JSON.stringify(value)
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...headers,
  })
  response.end(body)
}
