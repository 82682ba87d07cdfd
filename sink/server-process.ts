/** One life of a ClickHouse server of our own: start the launcher, wait until it answers, notice its end. */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Found } from './find-server.ts'

export interface Ports {
  readonly httpPort: number
  readonly tcpPort: number
}

export interface StartedProcess extends Ports {
  readonly pid: number
  readonly version: string
  /** Resolves when the process has ended, with how and its last words. */
  readonly exited: Promise<string>
  /** Ends it and waits for the end. */
  end(): Promise<void>
}

export interface FailedStart {
  readonly trouble: 'locked' | 'port' | 'other'
  readonly message: string
}

/** A start that takes longer than this hangs: seconds are usual with many parts to load. */
const START_LIMIT_MS = 120_000
const launcher = fileURLToPath(new URL('launcher.ts', import.meta.url))

export class ServerProcess {
  private readonly found: Exclude<Found, { how: 'configured' }>
  private readonly directory: string
  private readonly portsFile: string
  private readonly pidFile: string

  constructor(found: Exclude<Found, { how: 'configured' }>, directory: string) {
    this.found = found
    this.directory = directory
    this.portsFile = join(directory, 'ports.tsv')
    this.pidFile = join(directory, 'server.pid')
  }

  /** Ports to write into the configuration. The library lets the system choose (0); a program has to be told. */
  async ports(httpPort: number, tcpPort: number): Promise<Ports> {
    if (this.found.how === 'library') return { httpPort, tcpPort }
    return { httpPort: httpPort || (await freePort()), tcpPort: tcpPort || (await freePort()) }
  }

  /** Starts it on the configuration that is there. `versionAt`: asks the server at a URL, throws while it is not up. */
  async start(ports: Ports, versionAt: (url: string) => Promise<string>): Promise<StartedProcess | FailedStart> {
    this.endOrphan()
    rmSync(this.portsFile, { force: true })
    const report = this.found.how === 'library' ? this.portsFile : this.pidFile
    const args = [launcher, this.found.how, this.found.path, join(this.directory, 'config.xml'), report]
    // A session of its own: Ctrl-C in the terminal reaches us first, and we end it when everything is inserted.
    const child = spawn(process.execPath, args, {
      stdio: ['pipe', 'ignore', 'pipe'],
      detached: true,
      cwd: this.directory,
    })
    let words = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      words = (words + text).replace(/^Logging .*\n/gm, '').slice(-4_000)
    })
    child.stdin.on('error', () => {})
    let ended: string | null = null
    const exited = new Promise<string>((resolve) => {
      child.on('error', (error) => resolve((ended = error.message)))
      const settle = (code: number | null, signal: string | null): void =>
        resolve((ended = `${signal ?? `exit code ${code}`}${words === '' ? '' : `: ${words.trim()}`}`))
      // 'close' comes when its last words have arrived; but never while a program that it left behind holds the pipe.
      child.on('close', settle)
      child.on('exit', (code, signal) => setTimeout(settle, 200, code, signal))
    })
    const end = async (): Promise<void> => {
      child.stdin.end()
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
      await exited
      clearTimeout(timer)
      this.endOrphan()
    }
    const began = performance.now()
    while (performance.now() - began < START_LIMIT_MS) {
      if (ended !== null) return failed(words === '' ? ended : words)
      const answer = await this.answer(ports, versionAt)
      if (answer !== null && child.pid !== undefined) return { ...answer, pid: child.pid, exited, end }
      await sleep(20)
    }
    await end()
    return { trouble: 'other', message: `it did not answer within ${START_LIMIT_MS} ms; ${words}` }
  }

  private async answer(
    ports: Ports,
    versionAt: (url: string) => Promise<string>,
  ): Promise<(Ports & { version: string }) | null> {
    let { httpPort, tcpPort } = ports
    if (this.found.how === 'library') {
      if (!existsSync(this.portsFile)) return null
      const match = /^(\d+)\t(\d+)\n$/.exec(readFileSync(this.portsFile, 'utf8'))
      if (match === null) return null
      httpPort = Number(match[1])
      tcpPort = Number(match[2])
    }
    try {
      // Our password is random: who accepts it is our server and not another one on a port that was taken meanwhile.
      return { httpPort, tcpPort, version: await versionAt(`http://127.0.0.1:${httpPort}`) }
    } catch {
      return null
    }
  }

  /** A program outlives a launcher that was killed: it still holds the data, so it ends before the next one starts. */
  private endOrphan(): void {
    if (this.found.how !== 'program' || !existsSync(this.pidFile)) return
    const pid = Number(readFileSync(this.pidFile, 'utf8'))
    rmSync(this.pidFile, { force: true })
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      if (command.includes(join(this.directory, 'config.xml'))) process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
}

function failed(message: string): FailedStart {
  const short = message.split('\n').slice(0, 3).join(' ').slice(0, 800).trim()
  if (/Cannot lock file|Another server instance/i.test(message)) return { trouble: 'locked', message: short }
  if (/Address already in use|Listen \[.*failed/i.test(message)) return { trouble: 'port', message: short }
  return { trouble: 'other', message: short }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
