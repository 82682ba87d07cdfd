/**
 * A real ClickHouse server: a configured one, or one of our own as a child process over HTTP on loopback.
 *
 * Owned: the child, its directory DIR/clickhouse, its passwords. Not owned: what is inside the tables.
 * S1  The child ends when this process ends, however it ends: its standard input closes.
 * S2  A child that dies is started again on the same data; an acknowledged insert is there afterwards.
 * S3  Only who can read the directory (or was told) can log in; the analyst cannot write unless a flag says so.
 */
import { mkdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ClickHouse } from './clickhouse.ts'
import { ServerProcess, type StartedProcess } from './server-process.ts'
import { SinkError } from './errors.ts'
import { findServer, type FindOptions, type Found } from './find-server.ts'
import { accessOf, writeConfig, type Credentials } from './server-config.ts'

export interface ServerOptions extends FindOptions {
  /** Data directory; the server lives in its subdirectory `clickhouse` (mode 0700). */
  readonly directory: string
  /** Default `sluice`. */
  readonly database?: string
  /** Who asks at a configured endpoint; default the user who writes. */
  readonly analyst?: Credentials
  /** Ports on 127.0.0.1; 0 (default): a free one is chosen, and kept when the server has to be started again. */
  readonly httpPort?: number
  readonly tcpPort?: number
  /** Most memory of the whole server, bytes; default 2 GB. */
  readonly memoryBytes?: number
  /** True: the printed user may write. */
  readonly writable?: boolean
  /** How long to wait for a dying predecessor that still holds the directory, ms; default 15 s. */
  readonly lockWaitMs?: number
  /** Told in words when the server was found dead and started again. */
  readonly onEvent?: (text: string) => void
}

export interface Endpoint {
  /** `http://127.0.0.1:PORT`, without user. */
  readonly url: string
  /** Native protocol on the same host; null when it is not known (configured endpoints). */
  readonly tcpPort: number | null
}

export interface ClickHouseServer {
  readonly how: Found['how']
  /** Where it comes from, for people: `@chdb/lib-linux-x64-gnu`, a path, or the URL. */
  readonly origin: string
  /** Of ClickHouse, as the server says it. */
  readonly version: string
  readonly database: string
  /** May change when the server had to be started again. Errors: SLUICE_CLICKHOUSE_GONE when it was given up. */
  endpoint(): Endpoint
  readonly admin: Credentials
  /** For everybody else; read-only unless `writable`. With a configured endpoint the configured one. */
  readonly analyst: Credentials
  /** The analyst's endpoint as one URL, to print: `http://analyst:...@127.0.0.1:PORT`. */
  analystUrl(): string
  /** Process id of the launcher; null for a configured endpoint, and between two lives of the server. */
  readonly pid: number | null
  /** How often it died and was started again. */
  readonly restarts: number
  stop(): Promise<void>
}

/** Starts needed one after the other before a server that never comes up is given up. */
const MOST_FAILED_STARTS = 6
/** Deaths within a second of coming up, one after the other, before it is given up. */
const MOST_EARLY_DEATHS = 20

/**
 * Finds or starts the server; resolves when it answers. Errors: SLUICE_CLICKHOUSE_NOT_FOUND, _START, _LOCKED,
 * _UNREACHABLE.
 */
export async function startClickHouse(options: ServerOptions): Promise<ClickHouseServer> {
  const found = findServer(options)
  const database = options.database ?? 'sluice'
  if (found.how === 'configured') return configured(found, database, options.analyst)
  const child = new Child(found, options, database)
  await child.start()
  return child
}

async function configured(
  found: Extract<Found, { how: 'configured' }>,
  database: string,
  analyst?: Credentials,
): Promise<ClickHouseServer> {
  const user = { user: found.user, password: found.password }
  const version = await versionAt(found.url, user).catch((error: unknown) => {
    // Who is not let in is told so; trying again does not help.
    if (error instanceof SinkError && !error.retry) throw error
    const why = error instanceof Error ? error.message : String(error)
    throw new SinkError('SLUICE_CLICKHOUSE_UNREACHABLE', `As user ${user.user}: ${why}`, { cause: error })
  })
  const analystUrl = new URL(found.url)
  const asks = analyst ?? user
  return {
    how: 'configured',
    origin: found.url,
    version,
    database,
    endpoint: () => ({ url: found.url, tcpPort: null }),
    admin: user,
    analyst: asks,
    analystUrl: () => analystUrl.origin.replace('://', `://${encodeURIComponent(asks.user)}@`),
    pid: null,
    restarts: 0,
    stop: () => Promise.resolve(),
  }
}

async function versionAt(url: string, credentials: Credentials): Promise<string> {
  const client = new ClickHouse({ url: () => url, credentials, database: 'default', timeoutMs: 10_000 })
  try {
    return (await client.rows<{ version: string }>('SELECT version() AS version'))[0].version
  } finally {
    await client.close()
  }
}

class Child implements ClickHouseServer {
  readonly how
  readonly origin: string
  readonly database: string
  readonly admin: Credentials
  readonly analyst: Credentials
  version = ''
  restarts = 0
  private readonly directory: string
  private readonly process: ServerProcess
  private readonly options: ServerOptions
  private running: StartedProcess | null = null
  private httpPort: number
  private tcpPort: number
  private stopping = false
  private failure: SinkError | null = null
  private supervision: Promise<void> = Promise.resolve()
  private readonly abort = new AbortController()

  constructor(found: Exclude<Found, { how: 'configured' }>, options: ServerOptions, database: string) {
    this.how = found.how
    this.origin = found.name
    this.database = database
    this.options = options
    this.httpPort = options.httpPort ?? 0
    this.tcpPort = options.tcpPort ?? 0
    this.directory = join(resolve(options.directory), 'clickhouse')
    mkdirSync(dirname(this.directory), { recursive: true, mode: 0o700 })
    const access = accessOf(this.directory)
    this.admin = access.admin
    this.analyst = access.analyst
    this.process = new ServerProcess(found, this.directory)
  }

  get pid(): number | null {
    return this.running?.pid ?? null
  }

  endpoint(): Endpoint {
    if (this.failure !== null) throw this.failure
    return { url: `http://127.0.0.1:${this.httpPort}`, tcpPort: this.tcpPort }
  }

  analystUrl(): string {
    const { user, password } = this.analyst
    return this.endpoint().url.replace('://', `://${user}:${password}@`)
  }

  async start(): Promise<void> {
    await this.bringUp()
    // The analyst's session begins in it, so it is there before anybody logs in.
    const admin = new ClickHouse({ url: () => this.endpoint().url, credentials: this.admin, database: 'default' })
    try {
      await admin.command(`CREATE DATABASE IF NOT EXISTS ${this.database}`)
    } finally {
      await admin.close()
    }
    this.supervision = this.supervise()
  }

  async stop(): Promise<void> {
    this.stopping = true
    this.abort.abort()
    await this.running?.end()
    await this.supervision
  }

  /** One server that answers, or an error after bounded tries. */
  private async bringUp(): Promise<void> {
    const lockWaitMs = this.options.lockWaitMs ?? 15_000
    const began = performance.now()
    let failures = 0
    for (;;) {
      const { trouble, message } = await this.tryOnce()
      if (trouble === null) return
      if (this.stopping) throw new SinkError('SLUICE_CLICKHOUSE_START', 'The server was stopped while it started.')
      if (trouble === 'locked') {
        if (performance.now() - began > lockWaitMs) {
          throw new SinkError(
            'SLUICE_CLICKHOUSE_LOCKED',
            `${this.directory} was still locked after ${lockWaitMs} ms: ${message}.`,
          )
        }
      } else if (trouble === 'port' && this.portsAsked()) {
        throw new SinkError('SLUICE_CLICKHOUSE_START', `Port ${this.httpPort} or ${this.tcpPort} is taken: ${message}.`)
      } else if (++failures >= MOST_FAILED_STARTS) {
        throw new SinkError('SLUICE_CLICKHOUSE_START', `${this.origin} did not start in ${failures} tries: ${message}.`)
      }
      if (trouble === 'port') {
        // Somebody else took the port between two lives of the server: take another one.
        this.httpPort = this.options.httpPort ?? 0
        this.tcpPort = this.options.tcpPort ?? 0
      }
      await sleep(Math.min(2_000, 100 * 2 ** failures))
    }
  }

  private portsAsked(): boolean {
    return (this.options.httpPort ?? 0) !== 0 || (this.options.tcpPort ?? 0) !== 0
  }

  private async tryOnce(): Promise<{ trouble: 'locked' | 'port' | 'other' | null; message: string }> {
    const ports = await this.process.ports(this.httpPort, this.tcpPort)
    writeConfig(
      {
        directory: this.directory,
        database: this.database,
        ...ports,
        memoryBytes: this.options.memoryBytes ?? 2_000_000_000,
        writable: this.options.writable ?? false,
        pinnedVersion: this.how === 'library',
      },
      { admin: this.admin, analyst: this.analyst },
    )
    const started = await this.process.start(ports, (url) => versionAt(url, this.admin))
    if ('trouble' in started) return started
    this.running = started
    this.version = started.version
    this.httpPort = started.httpPort
    this.tcpPort = started.tcpPort
    if (this.stopping) await started.end()
    return { trouble: null, message: '' }
  }

  private async supervise(): Promise<void> {
    let earlyDeaths = 0
    while (!this.stopping && this.running !== null) {
      const since = performance.now()
      const message = await this.running.exited
      if (this.stopping) return
      this.running = null
      this.restarts++
      earlyDeaths = performance.now() - since < 1_000 ? earlyDeaths + 1 : 0
      this.options.onEvent?.(`ClickHouse ended (${message}); starting it again on the same data`)
      try {
        if (earlyDeaths >= MOST_EARLY_DEATHS)
          throw new Error(`it died ${earlyDeaths} times within a second of its start`)
        await this.bringUp()
      } catch (error) {
        if (this.stopping) return
        const why = error instanceof Error ? error.message : String(error)
        this.failure = new SinkError('SLUICE_CLICKHOUSE_GONE', `${this.directory}: ${why}.`, { cause: error })
        this.options.onEvent?.(this.failure.message)
        return
      }
    }
  }
}
