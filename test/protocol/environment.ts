/**
 * What happens to an owner rather than by it: EndTxn and deltas arrive, markers are written; and, each at the price of
 * one fault: a crash, a time-out, a message dropped or doubled, a store that falls back, a coordinator that aborts, an
 * acknowledged transaction that is lost (KAFKA-20734).
 */
import { abort, acknowledged, fenced, keepImage, recover } from './owner.ts'
import type { World } from './rules.ts'
import type { Add } from './steps.ts'
import { idle, type Message, NOT_HELD, type State, type Store } from './state.ts'

export function environmentSteps(state: State, world: World, add: Add): void {
  const { rules } = world
  state.messages.forEach((message, at) => {
    const what = `${told(message)} of P${message.owner + 1}`
    const arrive = (s: State): void => (message.kind === 'end' ? end(s, message, world) : apply(s, message, world))
    add(`${what} arrives`, (s) => {
      remove(s, at)
      arrive(s)
    })
    if (state.faults === 0) return
    // A lost answer makes a client send again; EndTxn only where safeguard 5 is left out.
    if (message.kind === 'delta' || !rules.indefiniteErrors) {
      add(`FAULT ${what} arrives, and once more later`, (s) => {
        s.faults--
        arrive(s)
      })
    }
    add(`FAULT ${what} is dropped`, (s) => {
      s.faults--
      remove(s, at)
      const { phase, flushing } = s.owners[message.owner]
      if (message.kind === 'delta' && flushing) recover(s, message.owner, world)
      if (message.kind === 'end' && phase === 'ending') gaveUp(s, message.owner, world)
    })
  })
  if (state.log.decided !== null) add(`the markers are written, K = ${state.log.decided.to ?? 'as before'}`, complete)
  if (state.faults > 0) faults(state, world, add)
}

function faults(state: State, world: World, add: Add): void {
  const { log, images } = state
  const fault: Add = (label, change) =>
    add(`FAULT ${label}`, (s) => {
      s.faults--
      change(s)
    })
  state.owners.forEach(({ phase }, index) => {
    if (phase === 'idle') return
    fault(`P${index + 1} crashes`, (s) => {
      s.owners[index] = idle()
      s.starts++
    })
    if (phase === 'ending') fault(`P${index + 1} gets no answer to EndTxn`, (s) => gaveUp(s, index, world))
  })
  if (log.open !== null) {
    fault('the coordinator aborts after its time-out', (s) => {
      abort(s)
      s.log.producer++
    })
  }
  if (log.decided !== null) fault('the broker crashes and loses the markers of an acknowledged transaction', lose)
  images.forEach((image, at) => {
    if (images.slice(0, at).some((earlier) => same(earlier, image))) return
    fault(`the store falls back to R = ${image.position}`, (s) => {
      s.store = image
      s.images = images.slice(0, at)
    })
  })
}

const told = (m: Message): string => (m.kind === 'end' ? `EndTxn up to ${m.to}` : `the delta [${m.from}, ${m.to})`)

const same = (a: Store, b: Store): boolean =>
  a.position === b.position && a.epoch === b.epoch && a.values[0] === b.values[0] && a.values[1] === b.values[1]

function remove(s: State, at: number): void {
  s.messages = s.messages.filter((_, index) => index !== at)
}

/** EndTxn without an answer. Safeguard 5, or the mistake of asking again in the same epoch. */
function gaveUp(s: State, index: number, world: World): void {
  const { producer, batch } = s.owners[index]
  if (world.rules.indefiniteErrors) recover(s, index, world)
  else s.messages = [...s.messages, { kind: 'end', owner: index, producer, to: batch!.to }]
}

/** EndTxn at the coordinator. Its answer comes with it: an answer that is lost is the time-out before. */
function end(s: State, message: Message & { kind: 'end' }, world: World): void {
  const { log } = s
  const owner = s.owners[message.owner]
  const waits = owner.phase === 'ending' && owner.producer === message.producer && owner.batch!.to === message.to
  if (log.producer !== message.producer) {
    if (waits) fenced(s, message.owner, world)
    return
  }
  if (log.open !== null) {
    log.decided = { outputs: log.open.outputs, to: log.open.to }
    log.open = null
  }
  if (!waits) return
  owner.position = owner.committed = message.to
  // Where the proof is not waited for, what was acknowledged counts as proven.
  if (!world.rules.proofFirst) owner.proven = message.to
  owner.batch = null
  owner.phase = 'run'
}

/** Commit markers: outputs and position can be seen. They decide also what a lost transaction left behind. */
function complete(s: State): void {
  const { log } = s
  const { outputs, to } = log.decided!
  if (outputs.length > 0) {
    log.visible = [...log.visible, ...log.orphans, ...outputs]
    log.orphans = []
  }
  log.committed = to ?? log.committed
  log.decided = null
}

/**
 * The coordinator, back from its crash, takes the transaction for complete: no marker in any partition. K stays what it
 * was, the next fence succeeds, and the outputs lie in their partition until the next marker of this producer id.
 */
function lose(s: State): void {
  const { log } = s
  log.orphans = [...log.orphans, ...log.decided!.outputs]
  log.decided = null
  log.lost = true
  for (const owner of s.owners) if (owner.producer === log.producer) owner.cutOff = true
}

/** APPLY: one atomic script, all checks before the first write. */
function apply(s: State, message: Message & { kind: 'delta' }, world: World): void {
  const { rules } = world
  const owner = s.owners[message.owner]
  const waits =
    owner.flushing && owner.epoch === message.epoch && owner.base === message.from && owner.sent === message.to
  const ours = !rules.ownerEpoch || s.store.epoch === message.epoch
  if (ours && (!rules.compareAndSet || s.store.position === message.from)) {
    keepImage(s)
    const [a, b] = message.values
    const [x, y] = s.store.values
    s.store = { ...s.store, position: message.to, values: [a === NOT_HELD ? x : a, b === NOT_HELD ? y : b] }
  }
  if (!waits) return
  // Also when a copy of it was applied before this one.
  if (ours && s.store.position === message.to) acknowledged(owner, message.to, message.values, world)
  else if (rules.ownerEpoch && s.store.epoch > message.epoch) fenced(s, message.owner, world)
  else recover(s, message.owner, world)
}
