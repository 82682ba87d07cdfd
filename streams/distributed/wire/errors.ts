/** What a broker's refusal means to us: which ones say "not done, ask again", and which say that we are fenced. */
import { CodedError } from '../../errors.ts'
import { denialOf, doubtOf, wordsOf } from './denial.ts'

/** A broker's refusal of one request or one part of it, by the protocol's own name. */
export class BrokerError extends Error {
  readonly reason: string
  /** Which part of the request, and what the broker says besides; '' when there is nothing to say. */
  readonly detail: string

  constructor(request: string, reason: string, detail = '') {
    super(`${request}: ${reason}${detail === '' ? '' : `, ${detail}`}`)
    this.name = 'BrokerError'
    this.reason = reason
    this.detail = detail
  }
}

/** The protocol's name of the first refusal in an error of the client library or of ours; null when there is none. */
export function reasonOf(error: unknown): string | null {
  if (error instanceof BrokerError) return error.reason
  const { apiId, errors, cause } = error as { apiId?: string; errors?: unknown[]; cause?: unknown }
  if (typeof apiId === 'string') return apiId
  for (const inner of errors ?? []) {
    const reason = reasonOf(inner)
    if (reason !== null) return reason
  }
  return cause !== undefined && cause !== null && cause !== error ? reasonOf(cause) : null
}

/** The request was not carried out, and will be by another node or a little later. */
const passing = new Set([
  'CONCURRENT_TRANSACTIONS',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'FENCED_LEADER_EPOCH',
  'KAFKA_STORAGE_ERROR',
  'LEADER_NOT_AVAILABLE',
  'NOT_COORDINATOR',
  'NOT_ENOUGH_REPLICAS',
  'NOT_LEADER_OR_FOLLOWER',
  'OFFSET_NOT_AVAILABLE',
  'REPLICA_NOT_AVAILABLE',
  'THROTTLING_QUOTA_EXCEEDED',
  'UNKNOWN_LEADER_EPOCH',
  'UNSTABLE_OFFSET_COMMIT',
])

/** True when the request had no effect and asking again is right. */
export const isPassing = (error: unknown): boolean => passing.has(reasonOf(error) ?? '')

/** True when another producer has taken over this transactional id. */
export function isFenced(error: unknown): boolean {
  const reason = reasonOf(error)
  return reason === 'INVALID_PRODUCER_EPOCH' || reason === 'PRODUCER_FENCED'
}

/** True when no answer came: what was asked may have happened or not. */
export function isLost(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  return (code === 'PLT_KFK_NETWORK' || code === 'PLT_KFK_TIMEOUT') && denialOf(error) === null
}

/** Any other error as a coded one, with what was being done. */
export function brokerError(error: unknown, where: string): CodedError {
  if (error instanceof CodedError) return error
  const denied = denialOf(error) ?? (reasonOf(error) === null ? doubtOf(error) : null)
  if (denied !== null) return new CodedError('SLUICE_BROKER_DENIED', `${where}: ${denied}`, { cause: error })
  const text = reasonOf(error) ?? wordsOf(error)
  return new CodedError('SLUICE_BROKER_FAILED', `${where}: ${text}`, { cause: error })
}
