/**
 * A server that a test started: a process of its own that can be killed and started again on the same directory, and that
 * ends with this process, even when this one is killed.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { sleep } from './cache.ts'

export interface ServerOptions {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** All that it keeps; removed with it, also when this process was killed. */
  readonly directory: string
  /** True when it answers. Asked again until then. */
  readonly ready: () => Promise<boolean>
  /** How long it may take to come up, in ms, before it is given up. */
  readonly patienceMs?: number
}

const ASK_MS = 100
/** What a server may take to end by itself after SIGTERM. */
const STOP_MS = 30_000

/**
 * A limit of file sizes, which a test sets, is a failing write as on a full disk, and not the end of the process.
 * A shell holds the server and tells its process id. Its third descriptor is a pipe from us, on which nothing is ever
 * said: when it closes, we are gone, and server and directory go too.
 */
const holder = `
trap '' XFSZ
directory=$1 log=$2; shift 2
"$@" >>"$log" 2>&1 </dev/null 3<&- &
server=$!
echo $server
exec >&-
(
  read -r _ <&3
  : >"$directory.orphan"
  kill $server
  for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 $server || exit; sleep 0.3; done
  kill -9 $server
) 2>/dev/null &
watcher=$!
wait $server
code=$?
if [ -e "$directory.orphan" ]; then
  rm -rf -- "$directory" "$directory.orphan"
  rmdir -- "$(dirname -- "$directory")" 2>/dev/null
else
  kill $watcher
fi
exit $code
`

export class Server {
  readonly directory: string
  readonly log: string
  readonly #options: ServerOptions
  #holder: ChildProcess | null = null
  #pid: number | null = null
  #gone: Promise<void> = Promise.resolve()
  #code: number | null = null

  constructor(options: ServerOptions) {
    this.#options = options
    this.directory = options.directory
    this.log = join(options.directory, 'server.log')
  }

  /** Of the server itself; null while it is down. */
  get pid(): number | null {
    return this.#pid
  }

  /** What it last ended with; 128 and more: the number of the signal that ended it. Null before. */
  get exitCode(): number | null {
    return this.#code
  }

  /** Starts it, and resolves when it answers. Errors: what it said, when it does not come up. */
  async start(): Promise<void> {
    await this.launch()
    const until = performance.now() + (this.#options.patienceMs ?? 180_000)
    while (this.#pid !== null && performance.now() < until) {
      if (await this.#options.ready()) return
      await sleep(ASK_MS)
    }
    const why = this.#pid === null ? 'ended' : 'does not answer'
    await this.kill()
    throw new Error(`${this.#options.name} ${why}: ${this.said()}`)
  }

  /** Starts it, and does not wait until it answers. */
  async launch(): Promise<void> {
    if (this.#pid !== null) throw new Error(`${this.#options.name} runs`)
    const { command, args, env, directory } = this.#options
    mkdirSync(directory, { recursive: true })
    appendFileSync(this.log, '')
    // A group of its own: Ctrl-C at the terminal goes to us, and we end it in order.
    const held = spawn('bash', ['-c', holder, 'bash', directory, this.log, command, ...args], {
      env: env ?? process.env,
      stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
      detached: true,
    })
    this.#holder = held
    const told = Promise.withResolvers<number>()
    held.stdout!.once('data', (chunk: Buffer) => told.resolve(Number(chunk.toString())))
    held.once('error', told.reject)
    this.#gone = new Promise((resolve) =>
      held.once('exit', (code) => {
        this.#pid = null
        this.#code = code
        told.reject(new Error(`${this.#options.name}: no process`))
        resolve()
      }),
    )
    this.#pid = await told.promise
  }

  /** kill -9. Its directory stays. */
  async kill(): Promise<void> {
    this.#signal('SIGKILL')
    await this.#gone
    this.#holder?.stdio[3]?.destroy()
  }

  /** Asks it to end (SIGTERM), and kills it when it does not. Its directory stays. */
  async stop(): Promise<void> {
    this.#signal('SIGTERM')
    const timer = setTimeout(() => this.#signal('SIGKILL'), STOP_MS)
    await this.#gone
    clearTimeout(timer)
    this.#holder?.stdio[3]?.destroy()
  }

  /** Starts it again, on the same directory and port, after it was killed or stopped. */
  async restart(): Promise<void> {
    await this.start()
  }

  /** Kills it, and removes all that it kept. */
  async remove(): Promise<void> {
    await this.kill()
    rmSync(this.directory, { recursive: true, force: true })
  }

  /** SIGSTOP, SIGCONT and like. Nothing happens when it is down. */
  signal(name: NodeJS.Signals): void {
    this.#signal(name)
  }

  /** The end of what it wrote. */
  said(): string {
    return existsSync(this.log) ? readFileSync(this.log, 'utf8').slice(-3000).trim() : ''
  }

  #signal(name: NodeJS.Signals): void {
    if (this.#pid === null) return
    try {
      process.kill(this.#pid, name)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}
