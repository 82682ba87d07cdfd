/**
 * Several processes that could tick, and one that does: the others watch its ticks, and one of them goes on when they end.
 *
 * S1  Who sees ticks that are not its own does not tick. Two that begin at once fence each other once, and the one that
 *     was fenced watches.
 * S2  Whoever watches compares clocks: one that is ahead of the ticker by more than maxSkew is refused (T3).
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { FencedError } from '../streams/errors.ts'
import { aheadOf, lastTick, Ticker, TickerError, type TickerOptions } from './ticker.ts'

export interface StandbyOptions extends Omit<TickerOptions, 'watchMs'> {
  /** Told who ticks: this process, or another. */
  readonly onTurn?: (ticking: boolean) => void
  /** Told of an error that passes: it is tried again. */
  readonly onError?: (error: Error) => void
}

export class StandbyTicker {
  private readonly options: StandbyOptions
  private readonly stopping = new AbortController()
  private loop: Promise<void> = Promise.resolve()
  private ticker: Ticker | null = null

  /** Errors: TickerError for a clock that does not fit. Resolves when it ticks, or another one is seen to. */
  static async open(options: StandbyOptions, failed: (error: Error) => void): Promise<StandbyTicker> {
    const standby = new StandbyTicker(options)
    const alone = await standby.isSilent()
    if (alone) await standby.take()
    standby.loop = standby.run().catch((error: unknown) => {
      if (!standby.stopping.signal.aborted) failed(error instanceof Error ? error : new Error(String(error)))
    })
    return standby
  }

  private constructor(options: StandbyOptions) {
    this.options = options
  }

  /** True while this process ticks. */
  get ticking(): boolean {
    return this.ticker !== null
  }

  /** Of the ticks that this process writes; null while another one ticks. */
  get state(): Pick<Ticker, 'last' | 'behindMs'> | null {
    return this.ticker
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping
    while (!signal.aborted) {
      try {
        if (this.ticker !== null) await this.ended(this.ticker)
        else if (await this.isSilent()) await this.take()
      } catch (error) {
        // A clock that does not fit has to be set; anything else (a broker that restarts) passes.
        if (error instanceof TickerError) throw error
        const fenced = error instanceof FencedError
        if (!fenced) this.options.onError?.(error as Error)
        await this.drop(fenced)
        await sleep(this.watchMs(), undefined, { signal }).catch(() => undefined)
      }
    }
  }

  /** At least two intervals, else a living ticker is missed. */
  private watchMs(): number {
    return 2.5 * Math.max(this.options.everyMs, this.options.idleEveryMs ?? 0)
  }

  /** Watches for a while: false when somebody ticks. Errors: TickerError when this clock is ahead of that ticker's. */
  private async isSilent(): Promise<boolean> {
    const { log, topic, schemas, clock } = this.options
    const began = clock.now()
    const before = await lastTick(log, topic, schemas)
    await sleep(this.watchMs(), undefined, { signal: this.stopping.signal }).catch(() => undefined)
    if (this.stopping.signal.aborted) return false
    const since = await lastTick(log, topic, schemas)
    if (since === null || since === before) return true
    // Made after the watch began: however slow ticker, log and this process are, a clock that agrees had not passed it then.
    aheadOf(began, since, this.options, 0)
    return false
  }

  private async take(): Promise<void> {
    const ticker = await Ticker.open(this.options)
    this.ticker = ticker
    try {
      await ticker.tick()
    } catch (error) {
      if (!(error instanceof FencedError)) throw error
      await this.drop(true)
      return
    }
    this.options.onTurn?.(true)
  }

  /** Lets the ticker run; rejects with what ended it. */
  private ended(ticker: Ticker): Promise<void> {
    return new Promise((resolve, reject) => {
      this.stopping.signal.addEventListener('abort', () => resolve(), { once: true })
      ticker.start(reject)
    })
  }

  /** `fenced`: another one ticks from now on. */
  private async drop(fenced: boolean): Promise<void> {
    const { ticker } = this
    this.ticker = null
    if (ticker === null) return
    if (fenced) this.options.onTurn?.(false)
    await ticker.close().catch(() => undefined)
  }

  async close(): Promise<void> {
    this.stopping.abort()
    await this.loop
    await this.ticker?.close()
    this.ticker = null
  }
}
