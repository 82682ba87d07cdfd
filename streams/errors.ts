/**
 * Faults of the infrastructure as coded errors: one list, one prefix, each with its cause and what an operator does.
 *
 * To add one: a line in `faults`, then `throw new CodedError('SLUICE_...', 'what, where')`. docs/operating.md is generated
 * from the list. A refusal of a record is data and does not belong here; a bug is a plain Error.
 */

export interface Fault {
  /** Why it happens, one sentence. */
  readonly cause: string
  /** What the operator does about it, one or two sentences. */
  readonly action: string
  /**
   * What a worker does with a task that meets it (streams/worker.ts). again: recovers it, a limited number of times
   * without progress. wait: recovers it for as long as it lasts. rejoin: stops, and comes back when the group has
   * confirmed that the task is still its own. Absent: the task halts.
   */
  readonly road?: 'again' | 'wait' | 'rejoin'
}

export const faults = {
  SLUICE_FENCED: {
    cause: 'Another owner has taken over this id.',
    action:
      'None: this owner stops and rejoins its group later. If it happens all the time, two processes run the same tasks.',
    road: 'rejoin',
  },
  SLUICE_WRITER_BROKEN: {
    cause: 'An earlier commit of this writer failed with an unknown outcome, so nothing more may be sent through it.',
    action: 'None: a new writer is made and recovery reads what was committed. Look for the error before this one.',
    road: 'again',
  },
  SLUICE_OFFSET_GONE: {
    cause:
      'The asked offset is not kept: before the start of the log (retention) or after its end (the log lost records).',
    action:
      'Restore a state snapshot at or after the start of the log, or restore the log from a backup. Never skip ahead.',
  },
  SLUICE_TOPIC_UNKNOWN: {
    cause: 'The topic or the partition does not exist in this log.',
    action: 'Check the data directory or the cluster: topics are made when the log is created.',
  },
  SLUICE_TOPIC_PARTITIONS: {
    cause: 'The topic exists with another number of partitions; the number is fixed when a log is created.',
    action: 'Start with the recorded number, or begin a new log and replay into it.',
  },
  SLUICE_TOPIC_UNFIT: {
    cause: 'The topic exists with settings under which committed records vanish.',
    action: 'Change the settings named here with kafka-configs.sh, or give the topics another prefix.',
  },
  SLUICE_LOCKED: {
    cause: 'Another process has the data directory open.',
    action: 'Talk to that process over its HTTP endpoint, stop it, or give another directory with --data.',
  },
  SLUICE_DISK_FULL: {
    cause:
      'There is no room left for the data directory. Nothing that was acknowledged is lost, nothing new was acknowledged.',
    action: 'Free space or raise the limit, then start again: it goes on where it was.',
  },
  SLUICE_READ_ONLY: {
    cause: 'The data directory cannot be written.',
    action: 'Check the owner, the mode (0700) and the mount of the directory, then start again.',
  },
  SLUICE_STORE_FAILED: {
    cause: 'The store could not write; its state on disk is the last acknowledged commit.',
    action: 'Check the disk and the system log, then start again.',
  },
  SLUICE_STORE_UNREACHABLE: {
    cause:
      'The Redis server could not be reached, gave no answer or refused; what was sent may have taken effect or not.',
    action:
      'None when it passes: the tasks wait and go on by themselves. Otherwise check the server, its memory and its disk.',
    road: 'wait',
  },
  SLUICE_STORE_DAMAGED: {
    cause: 'The parts of the data directory do not fit together.',
    action: 'Restore the whole directory from one backup, or begin with an empty directory and import again.',
  },
  SLUICE_STORE_EVICTS: {
    cause: 'The Redis server may throw entries away when memory is short, which would be lost state without a word.',
    action: 'Set maxmemory-policy to noeviction on that server (CONFIG SET and in its file), then start again.',
  },
  SLUICE_BROKER_FAILED: {
    cause:
      'A Kafka broker could not be reached, gave no answer or refused; what was sent may have taken effect or not.',
    action: 'None when it passes: recovery reads what was committed. Otherwise check the brokers and the network.',
    road: 'wait',
  },
  SLUICE_BROKER_UNFIT: {
    cause: 'The Kafka cluster does not offer the transaction protocol that exactly-once rests on.',
    action: 'Use Kafka 4.2, with transaction.version at 2 (kafka-features.sh upgrade --feature transaction.version=2).',
  },
  SLUICE_BROKER_DENIED: {
    cause:
      'The brokers do not take this process: they speak another transport, do not know its certificate or its user, or have no ACL for what it does.',
    action:
      'Compare kafka.tls and kafka.sasl with the listener that kafka.brokers names, and the ACLs of this user with docs/deployment.md (Secured services). Running tasks wait and go on by themselves.',
    road: 'wait',
  },
  SLUICE_STORE_DENIED: {
    cause:
      'The Redis server does not take this process: TLS on one side only, another certificate or password, or a user who may not run a command or use a key that is needed.',
    action:
      'Compare redis.url, redis.tls, redis.username and redis.password with the server, and its user with the ACL line in docs/deployment.md (Secured services). Running tasks wait and go on by themselves.',
    road: 'wait',
  },
  SLUICE_CLOSED: {
    cause: 'The store was closed while it was in use.',
    action: 'None when the process is stopping; otherwise look for the error before this one.',
  },
  SLUICE_DIRECTORY_MISSING: {
    cause: 'The directory holds no log.',
    action: 'Check --data, or create the log with run, serve or demo.',
  },
  SLUICE_LINE_MISSING: {
    cause: 'Nothing was made under this prefix on this cluster, or making it was not finished.',
    action: 'Make the line with sluice init, or correct kafka.brokers and kafka.prefix.',
  },
  SLUICE_TOPIC_REPLACED: {
    cause: 'A topic of the line was deleted and made again: what was committed in it is gone.',
    action:
      'Restore the topic from a backup of the cluster, or make a new line under another prefix and replay into it.',
  },
  SLUICE_FORMAT_VERSION: {
    cause: 'The log was written in another format of the store.',
    action: 'Use the version of the program that wrote it, or replay the input into a new directory.',
  },
  SLUICE_LOGIC_VERSION: {
    cause: 'The log was written by another version of the logic, so it would not give the same results again.',
    action: 'Finish with the version that wrote it, or replay the input into a new log and compare.',
  },
  SLUICE_RULE_VERSION: {
    cause: 'The log was created with other rules, so decisions would not be the same again.',
    action: 'Start with the recorded rule version, or replay the input into a new log.',
  },
  SLUICE_SETTING_DIFFERS: {
    cause: 'A setting was given that differs from the one fixed when the log was created.',
    action: 'Leave the setting out or give the recorded value; another value needs a new log.',
  },
  SLUICE_STATE_AHEAD: {
    cause: 'The state stands for more input than the log has committed: the log lost an acknowledged commit.',
    action: 'Check the broker and its disk, then rebuild the state of this task from the log; it goes on at K.',
  },
  SLUICE_STATE_MOVED: {
    cause: 'The stored state fell back or moved under its owner (fail-over, restore, a second owner).',
    action: 'None: the task recovers by processing again from the stored position.',
    road: 'again',
  },
  SLUICE_STATE_DAMAGED: {
    cause: 'The stored state of a task lacks entries that were written (a server that evicts, a key that was deleted).',
    action:
      'Find out who deletes keys. Then restore a backup or a snapshot of the state, or drop it: what the log keeps is processed again.',
  },
  SLUICE_LEDGER_LOST: {
    cause: 'The log has no committed position of a task whose state has one: the ledger group lost its offset.',
    action:
      'Do not start it anew: outputs would be written twice. Restore the offset (offsets.retention.minutes, a backup of the cluster), or replay the input into a line of another prefix.',
  },
  SLUICE_TASK_UNKNOWN: {
    cause: 'Neither the log nor the store knows this task: the line was not made, or both have lost everything.',
    action: 'Make the line with sluice init; if it was made before, restore the cluster from its backup.',
  },
  SLUICE_SNAPSHOT_UNFIT: {
    cause: 'The snapshot is damaged, or belongs to another task, topic, version of the logic or part of the log.',
    action:
      'Take another one (sluice snapshots list); at or after the start of the log, and not after the committed position.',
  },
  SLUICE_SNAPSHOT_NOT_NEEDED: {
    cause: 'The store has a state of this task, which a snapshot must not replace.',
    action: 'None: start the worker. If that state is wrong, delete it first, and only then restore.',
  },
  SLUICE_RETENTION_PASSED: {
    cause: 'The log no longer reaches back to the position that the stored state stands for, or there is no state.',
    action:
      'Restore a snapshot or a newer backup of the state, at or after the start of the log (sluice snapshots restore).',
  },
  SLUICE_LOG_TRUNCATED: {
    cause: 'The log ends before a position that was committed.',
    action: 'Restore the log: it lost records (unclean leader election, a restored disk). Do not go on.',
  },
  SLUICE_NOT_DETERMINISTIC: {
    cause: 'Processing the same input again gave other outputs than those that were committed.',
    action: 'Keep the directory and report it: this is a bug, or the program or the log was changed.',
  },
  SLUICE_BATCH_DAMAGED: {
    cause: 'A record batch does not fit its checksum or its own lengths: damaged on a disk or on the wire.',
    action:
      'None when it passes: it is read again. Otherwise restore this partition from a replica or a backup; nothing behind it was read.',
    road: 'again',
  },
  SLUICE_BATCH_UNSUPPORTED: {
    cause: 'A record batch is compressed in a way that is not read (lz4, snappy).',
    action:
      'Let the broker keep batches plain: compression.type=uncompressed on the topic, as sluice init sets it. What is in the log already has to be copied to another line.',
  },
  SLUICE_SEQUENCE_GAP: {
    cause: 'A record is missing between two records of one source task.',
    action: 'Check retention and the log of that topic; nothing after the gap was used.',
  },
  SLUICE_TASK_FAILED: {
    cause: 'The program itself failed while it ran a task: a bug, or input that no check foresaw.',
    action:
      'Report it with the message. Nothing of the step took effect; a restart tries it again from the last commit.',
  },
  SLUICE_REGISTRY: {
    cause: 'The schema registry cannot be asked, or refuses.',
    action:
      'Check registry.url, its user and that it runs. Workers go on with the schemas that they know, and wait for it with the others; nothing is lost.',
  },
} as const satisfies Record<string, Fault>

export type FaultCode = keyof typeof faults

/** What a worker does with a task that ended so; 'halt' for what trying again does not cure. */
export function roadAfter(error: unknown): NonNullable<Fault['road']> | 'halt' {
  if (!(error instanceof CodedError)) return 'halt'
  return (faults[error.code] as Fault).road ?? 'halt'
}

/** An infrastructure fault: `code` for programs; message = code, what and where, cause, what to do. */
export class CodedError extends Error {
  readonly code: FaultCode
  readonly action: string

  /** @param detail what and where, without a full stop. */
  constructor(code: FaultCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}. ${faults[code].cause} What to do: ${faults[code].action}`, options)
    this.name = new.target.name
    this.code = code
    this.action = faults[code].action
  }
}

/** Another writer or owner of the same id exists: stop, do not come back at once (safeguard 6). */
export class FencedError extends CodedError {
  constructor(detail: string) {
    super('SLUICE_FENCED', detail)
  }
}

/** A read outside [start, end]. */
export class OffsetGoneError extends CodedError {
  readonly start: number
  readonly end: number

  constructor(where: string, offset: number, start: number, end: number) {
    super('SLUICE_OFFSET_GONE', `${where}: offset ${offset} is outside ${start} to ${end}`)
    this.start = start
    this.end = end
  }
}

/** The directory is open elsewhere; `endpoint` is where that process listens, when it has said so. */
export class LockedError extends CodedError {
  readonly pid: number | null
  readonly endpoint: string | null

  constructor(directory: string, pid: number | null, endpoint: string | null) {
    const who = pid === null ? 'another process' : `process ${pid}`
    super('SLUICE_LOCKED', `${directory} is open in ${who}${endpoint === null ? '' : `, listening on ${endpoint}`}`)
    this.pid = pid
    this.endpoint = endpoint
  }
}

export class DiskFullError extends CodedError {
  constructor(detail: string, options?: ErrorOptions) {
    super('SLUICE_DISK_FULL', detail, options)
  }
}

export class LogicVersionError extends CodedError {
  constructor(detail: string) {
    super('SLUICE_LOGIC_VERSION', detail)
  }
}

/** Room is lacking: disk, quota, file size limit, or LMDB's own limits (-30792 MDB_MAP_FULL, -30788 MDB_TXN_FULL). */
const noRoom = new Set<unknown>(['ENOSPC', 'EDQUOT', 'EFBIG', 28, 122, 27, -30792, -30788])
const notWritable = new Set<unknown>(['EACCES', 'EROFS', 'EPERM', 13, 30, 1])

/** Turns an error of the file system or of LMDB (whose `code` is an errno or a negative number) into a coded one. */
export function codedStoreError(error: unknown, where: string): CodedError {
  if (error instanceof CodedError) return error
  const { code, errcode } = error as { code?: unknown; errcode?: unknown }
  const text = `${where}: ${error instanceof Error ? error.message : String(error)}`
  if (noRoom.has(code)) return new DiskFullError(text, { cause: error })
  // node:sqlite, which holds the directory's lock: 8 READONLY, 13 FULL, 14 CANTOPEN.
  if (errcode === 13) return new DiskFullError(text, { cause: error })
  if (notWritable.has(code) || errcode === 8 || errcode === 14) {
    return new CodedError('SLUICE_READ_ONLY', text, { cause: error })
  }
  return new CodedError('SLUICE_STORE_FAILED', text, { cause: error })
}
