/** A certificate authority of a test's own, with openssl: certificates of a server and of a client, and a stranger's CA. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from './cache.ts'
import { program } from './programs.ts'
import type { Missing } from './service.ts'

/** Paths of PEM files; keys are PKCS 8 without a password. */
export interface Pair {
  readonly cert: string
  readonly key: string
}

export interface Certificates {
  readonly ca: string
  /** Of 127.0.0.1 and localhost. */
  readonly server: Pair
  /** Of a client called `sluice`, by the same authority. */
  readonly client: Pair
  /** Certificate of another authority, which signed nothing here. */
  readonly stranger: string
  remove(): void
}

const DAYS = ['-days', '2']
const NEW_KEY = ['-newkey', 'rsa:2048', '-nodes']

/** Made now, valid for two days, or why not. */
export async function certificates(): Promise<Certificates | Missing> {
  const openssl = await program('openssl')
  if ('missing' in openssl) return { missing: `no certificates: ${openssl.missing}` }
  const directory = mkdtempSync(join(tmpdir(), 'sluice-certificates-'))
  const at = (name: string): string => join(directory, name)
  const ssl = async (...args: string[]): Promise<void> => {
    const { code, said } = await run(openssl.path, args, { env: openssl.env })
    if (code !== 0) throw new Error(`openssl ${args[0]}: ${said.trim()}`)
  }
  const authority = async (name: string): Promise<Pair> => {
    const pair = { cert: at(`${name}.pem`), key: at(`${name}.key`) }
    const subject = ['-subj', `/CN=${name}`, '-addext', 'keyUsage=critical,keyCertSign']
    await ssl('req', '-x509', ...NEW_KEY, ...DAYS, ...subject, '-keyout', pair.key, '-out', pair.cert)
    return pair
  }
  const signed = async (name: string, by: Pair, extensions: string): Promise<Pair> => {
    const pair = { cert: at(`${name}.pem`), key: at(`${name}.key`) }
    writeFileSync(at(`${name}.ext`), extensions)
    await ssl('req', ...NEW_KEY, '-subj', `/CN=${name}`, '-keyout', pair.key, '-out', at(`${name}.csr`))
    const issuer = ['-CA', by.cert, '-CAkey', by.key, '-CAcreateserial', ...DAYS, '-extfile', at(`${name}.ext`)]
    await ssl('x509', '-req', '-in', at(`${name}.csr`), ...issuer, '-out', pair.cert)
    return pair
  }
  try {
    const ca = await authority('authority')
    const server = await signed('server', ca, 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
    const client = await signed('sluice', ca, 'extendedKeyUsage=clientAuth\n')
    const stranger = (await authority('stranger')).cert
    const remove = (): void => rmSync(directory, { recursive: true, force: true })
    return { ca: ca.cert, server, client, stranger, remove }
  } catch (error) {
    rmSync(directory, { recursive: true, force: true })
    throw error
  }
}
