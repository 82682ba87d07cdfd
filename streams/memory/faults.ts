/**
 * How a test makes the in-memory backend fail: steps at which something can happen, and deliberately wrong variants.
 *
 * A step is a moment at which a real process can die or a real reply can be lost. `crash` ends every writer, owner and
 * reader that exists (their calls reject with SLUICE_CLOSED, as if the process had gone), what was durable stays.
 */
import { CodedError } from '../errors.ts'

export type Step =
  /** A writer is asked for; nothing fenced yet. */
  | 'fence'
  /** A commit is sent; nothing of it has taken effect. */
  | 'before-append'
  /** The commit is durable and visible; the writer has not heard. */
  | 'after-append'
  /** Only where a commit takes several requests: its records are there, not its position, and it is not ended. */
  | 'in-transaction'
  /** A task's state is being taken over; the epoch is not raised yet. */
  | 'acquire'
  | 'read-state'
  /** A delta is sent; nothing of it has taken effect. */
  | 'before-delta'
  /** The delta is applied; the owner has not heard. */
  | 'after-delta'
  /** Record batches are asked for. */
  | 'fetch'

export interface Moment {
  readonly step: Step
  /** Id of the writer, name of the task, or topic/partition. */
  readonly who: string
  /** Position of the commit, `to` of the delta, offset of the fetch; -1 where there is none. */
  readonly position: number
}

/**
 * What happens at a moment: the process dies, or the message (before) or its reply (after) is lost. A delta may also be
 * `late` (nobody hears of it, and it arrives all the same, later) or come `twice`; elsewhere these two are nothing.
 */
export type Fault = 'crash' | 'lost' | 'late' | 'twice'

/** Called at every moment; may wait, so that a test decides what happens meanwhile. */
export type Watch = (moment: Moment) => Fault | void | Promise<Fault | void>

/**
 * Deliberately wrong backends, for negative controls: a harness that does not report them is blind.
 * Each breaks one rule of the seam or one assumption of the protocol.
 */
export interface Faulty {
  /** B1 broken: a fenced writer's commits take effect. */
  readonly noFence?: boolean
  /** B2 broken: the records of a commit are there at once, its position only when the writer has heard (at least once). */
  readonly atLeastOnce?: boolean
  /** B4 broken: a new writer is given the position before the last commit. */
  readonly positionBeforeFence?: boolean
  /** Commits are acknowledged before they are durable: a crash forgets the last ones. */
  readonly ackBeforeDurable?: boolean
  /** B5 broken: a delta is applied whatever position the state has. */
  readonly noCas?: boolean
  /** B5 broken: a delta is applied whoever owns the state. */
  readonly noEpoch?: boolean
  /** B6 broken: reads return the header that the owner expects, even when the state fell back. */
  readonly staleHeader?: boolean
  /** The same for the probe of an idle owner alone. */
  readonly blindProbe?: boolean
  /** Lists of a kind that has many entries come without the last one: a filter built from it has a gap. */
  readonly gapInLists?: boolean
}

/** Shared by log and state: which process lives, and what the test does at each moment. */
export class World {
  readonly faulty: Faulty
  readonly #watch: Watch | undefined
  #life = 0
  readonly #onCrash = new Set<() => void>()

  constructor(faulty: Faulty, watch: Watch | undefined) {
    this.faulty = faulty
    this.#watch = watch
  }

  /** Number of the process that lives now. */
  get life(): number {
    return this.#life
  }

  crash(): void {
    this.#life++
    for (const react of this.#onCrash) react()
  }

  onCrash(react: () => void): void {
    this.#onCrash.add(react)
  }

  assertAlive(life: number, who: string): void {
    if (life !== this.#life) throw new CodedError('SLUICE_CLOSED', `${who}: its process has crashed`)
  }

  /**
   * Lets the test act. Throws SLUICE_CLOSED after a crash and SLUICE_STORE_UNREACHABLE when the message was lost.
   * The caller asserts life once more where it goes on: a crash may come before its turn.
   */
  async at(life: number, step: Step, who: string, position = -1): Promise<Fault | void> {
    this.assertAlive(life, who)
    const pending = this.#watch?.({ step, who, position })
    const fault = pending instanceof Promise ? await pending : pending
    if (fault === 'crash') this.crash()
    this.assertAlive(life, who)
    if (fault === 'lost')
      throw new CodedError('SLUICE_STORE_UNREACHABLE', `${who}: no answer at ${step}, position ${position}`)
    return fault
  }
}
