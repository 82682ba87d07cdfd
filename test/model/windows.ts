/** Windows of event time, naively: a map of windows per key, each with its own boundary. */

export interface NaiveWindow {
  readonly sizeMs: number
  readonly advanceMs: number
  readonly graceMs: number
}

/** What a row adds to each window that is open for it, and what the first of those then holds; null: none is open. */
export class NaiveWindows {
  private readonly window: NaiveWindow
  private readonly sums = new Map<string, number>()
  private streamTime = 0

  constructor(window: NaiveWindow) {
    this.window = window
  }

  add(key: string, time: number, amount: number): number | null {
    const { sizeMs, advanceMs, graceMs } = this.window
    this.streamTime = Math.max(this.streamTime, time)
    let seen: number | null = null
    for (let start = 0; start <= time; start += advanceMs) {
      if (start + sizeMs <= time) continue
      if (start + sizeMs <= this.streamTime - graceMs) continue
      const sum = (this.sums.get(`${key} ${start}`) ?? 0) + amount
      this.sums.set(`${key} ${start}`, sum)
      seen ??= sum
    }
    return seen
  }
}
