/** Handles by which a page may speak of a transaction whose account number it was not shown. */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import type { Identity } from './ports.ts'

/**
 * Seals identities into opaque texts and opens them again; only the process that made one can read it, and the same
 * identity always has the same text (the nonce is derived from it, so nothing is ever sealed twice with one nonce).
 */
export class References {
  private readonly key = randomBytes(32)
  private readonly nonceKey = randomBytes(32)

  seal(identity: Identity): string {
    const text = JSON.stringify([identity.producer, identity.payerAccount, identity.transactionId])
    const nonce = createHmac('sha256', this.nonceKey).update(text).digest().subarray(0, 12)
    const cipher = createCipheriv('aes-256-gcm', this.key, nonce)
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url')
  }

  /** Null when the text was not made by this process, or was changed. */
  open(reference: string): Identity | null {
    const bytes = Buffer.from(reference, 'base64url')
    if (bytes.length < 29) return null
    const decipher = createDecipheriv('aes-256-gcm', this.key, bytes.subarray(0, 12))
    decipher.setAuthTag(bytes.subarray(12, 28))
    try {
      const text = Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8')
      const [producer, payerAccount, transactionId] = JSON.parse(text) as [string, string, string]
      return { producer, payerAccount, transactionId }
    } catch {
      return null
    }
  }
}
