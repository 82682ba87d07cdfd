/**
 * Stream time of a source task: monotone, a function of the log, kept with the state.
 *
 * T1  A tick at t moves it to t - allowed delay; a valid event moves it to its time T, after a ticker's tick at most to
 *     that tick. It moves before the record is judged.
 * T2  closedThrough = the latest multiple of the cycle that is at or below stream time - grace; the last tick of an
 *     import may raise it further. It never falls.
 */

export interface ClockSettings {
  readonly allowedDelayMs: number
  readonly graceMs: number
  readonly cycleMs: number
}

export interface ClockState {
  readonly streamTime: number
  readonly closedThrough: number
  readonly lastTick: number
  /** A ticker runs: events move stream time at most to the last tick. */
  readonly ticked: boolean
  /** Ticks read so far; marks are cut by it. */
  readonly ticks: number
}

export const beginning: ClockState = { streamTime: 0, closedThrough: 0, lastTick: 0, ticked: false, ticks: 0 }

export class StreamClock {
  streamTime = 0
  closedThrough = 0
  lastTick = 0
  ticked = false
  ticks = 0
  private readonly settings: ClockSettings

  constructor(settings: ClockSettings, state: ClockState = beginning) {
    this.settings = settings
    Object.assign(this, state)
  }

  state(): ClockState {
    const { streamTime, closedThrough, lastTick, ticked, ticks } = this
    return { streamTime, closedThrough, lastTick, ticked, ticks }
  }

  event(time: number): void {
    this.move(this.ticked && time > this.lastTick ? this.lastTick : time)
  }

  tick(at: number, byTicker: boolean, closeThrough: number | null): void {
    this.lastTick = at
    this.ticked = byTicker
    this.ticks++
    this.move(at - this.settings.allowedDelayMs)
    if (closeThrough !== null && closeThrough > this.closedThrough) this.closedThrough = closeThrough
  }

  /** Start of the cycle that an event of this time joins; the oldest open one when its own is closed. */
  cycleOf(time: number): number {
    const start = Math.floor(time / this.settings.cycleMs) * this.settings.cycleMs
    return start < this.closedThrough ? this.closedThrough : start
  }

  private move(to: number): void {
    if (to <= this.streamTime) return
    this.streamTime = to
    const { graceMs, cycleMs } = this.settings
    const closed = Math.floor((to - graceMs) / cycleMs) * cycleMs
    if (closed > this.closedThrough) this.closedThrough = closed
  }
}
