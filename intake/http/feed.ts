/** Snapshots for the pages: made only while somebody looks, once for all who look. */
import { maskAccounts } from '../../schemas/mask.ts'
import type { PageEvents } from './ports.ts'
import type { References } from './reference.ts'
import type { EventStream } from './sse.ts'

export class PageFeed {
  private readonly source: PageEvents
  private readonly references: References
  private readonly showAccounts: boolean
  private readonly failed: (error: Error) => void
  private readonly listeners = new Set<EventStream>()
  private timer: NodeJS.Timeout | null = null
  private last = ''

  constructor(source: PageEvents, references: References, showAccounts: boolean, failed: (error: Error) => void) {
    this.source = source
    this.references = references
    this.showAccounts = showAccounts
    this.failed = failed
  }

  add(stream: EventStream): void {
    this.listeners.add(stream)
    stream.closed = () => {
      this.listeners.delete(stream)
      if (this.listeners.size === 0) this.close()
    }
    this.timer ??= setInterval(() => this.send(this.listeners), this.source.everyMs)
    this.send([stream])
  }

  private send(to: Iterable<EventStream>): void {
    try {
      const snapshot = this.source.snapshot()
      // A ref is added even where accounts are shown, so that the page has one way to ask.
      if (snapshot !== null) this.last = JSON.stringify(this.masked(snapshot))
    } catch (error) {
      this.failed(error instanceof Error ? error : new Error(String(error)))
      return
    }
    if (this.last !== '') for (const stream of to) stream.send('snapshot', this.last)
  }

  private masked(snapshot: object): unknown {
    return maskAccounts(snapshot, (identity) => this.references.seal(identity), this.showAccounts)
  }

  close(): void {
    if (this.timer !== null) clearInterval(this.timer)
    this.timer = null
    this.last = ''
  }
}
