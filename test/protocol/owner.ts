/**
 * What an owner does: take over, process again, process, commit, send deltas, look at the header.
 *
 * More is allowed here than the engine does: steps of one or two events at any time, a delta after recovery that need
 * not be applied before the next step. What holds here holds for less.
 */
import { keyIndex, type World } from './rules.ts'
import type { Add } from './steps.ts'
import { type Delta, idle, NOT_HELD, type Output, type Owner, type State, type Values } from './state.ts'

/** First phase of a takeover. */
const takeover = ({ rules }: World): 'fence' | 'readK' => (rules.fenceFirst ? 'fence' : 'readK')

/** After an indefinite error: everything in memory and the producer are thrown away. */
export function recover(s: State, index: number, world: World): void {
  s.owners[index] = idle(takeover(world))
}

/** Safeguard 6. It comes back only when nobody else is there: it joins the group again first. */
export function fenced(s: State, index: number, world: World): void {
  if (!world.rules.fencedStops) return recover(s, index, world)
  s.owners[index] = idle()
  if (s.owners.every(({ phase }) => phase === 'idle') && s.starts === 0) s.starts++
}

export function ownerSteps(state: State, index: number, world: World, add: Add): void {
  const { rules } = world
  const { log, store } = state
  const owner = state.owners[index]
  const name = `P${index + 1}`
  switch (owner.phase) {
    case 'idle':
      if (state.starts === 0) return
      return add(`${name} starts`, (s) => {
        s.starts--
        recover(s, index, world)
      })
    case 'fence':
      // The broker answers when the transaction before is complete.
      if (rules.stableRead && log.decided !== null) break
      add(`${name} fences earlier writers (InitProducerId)`, (s) => {
        if (s.log.open !== null) abort(s)
        s.owners[index].producer = ++s.log.producer
        s.owners[index].cutOff = false
        s.owners[index].phase = rules.ownerEpoch ? 'acquire' : afterFence(world)
      })
      break
    case 'acquire':
      add(`${name} acquires the state`, (s) => {
        keepImage(s)
        s.store = { ...s.store, epoch: s.store.epoch + 1 }
        s.owners[index].epoch = s.store.epoch
        s.owners[index].phase = afterFence(world)
      })
      break
    case 'readK':
      if (rules.stableRead && log.decided !== null) break
      add(`${name} reads K = ${log.committed}`, (s) => {
        s.owners[index].committed = s.owners[index].proven = s.log.committed
        s.owners[index].phase = 'readR'
      })
      break
    case 'readR':
      add(`${name} reads R = ${store.position}`, (s) => {
        const own = s.owners[index]
        own.base = own.sent = own.position = s.store.position
        if (own.base > own.committed) ahead(s, index, world)
        else own.phase = rules.fenceFirst ? 'run' : 'fence'
      })
      break
    case 'run':
      run(state, index, world, add)
      sendDelta(owner, index, world, add)
      break
    case 'produce':
      produce(state, index, world, add)
      break
    case 'offsets':
      sendOffsets(state, index, world, add)
      break
    case 'ending':
      sendDelta(owner, index, world, add)
      break
  }
}

const afterFence = ({ rules }: World): 'readK' | 'run' => (rules.fenceFirst ? 'readK' : 'run')

/**
 * R > K: a named state with an operator's action, and never a delta applied over it. But whoever was fenced between its
 * reads of K and R sees it too, when the other one has gone on: it is a zombie, and the state is sound.
 */
function ahead(s: State, index: number, world: World): void {
  if (world.rules.haltsAsOwnerOnly && s.log.producer !== s.owners[index].producer) fenced(s, index, world)
  else s.owners[index] = idle('halted')
}

/** An abort marker decides what a lost transaction left in the partition, if it reaches that partition. */
export function abort(s: State): void {
  if (s.log.open!.outputs.length > 0) s.log.orphans = []
  s.log.open = null
}

/** The store as it is now may be what it falls back to. Two images are enough to lose a tail twice, or a longer one. */
export function keepImage(s: State): void {
  s.images = [...s.images, s.store].slice(-2)
}

function run(state: State, index: number, world: World, add: Add): void {
  const { rules, bound } = world
  const { position, committed, proven, flushing } = state.owners[index]
  const name = `P${index + 1}`
  for (const to of [position + 1, position + 2]) {
    // What is processed again ends at K, where the digest is compared.
    if (to > bound.events || (position < committed && to > committed)) continue
    const again = to <= committed ? ' again' : ''
    add(`${name} processes [${position}, ${to})${again}`, (s) => process(s, index, to, world))
  }
  // Caught up: an empty commit at the same position proves the one before it, as a tick's would.
  if (position === bound.events && position >= committed && proven < position) {
    add(`${name} begins an empty commit at ${position}`, (s) => beginCommit(s.owners[index], position, []))
  }
  if (!rules.idleProbe || flushing) return
  const header = judge(state, index, world)
  if (header === 'ours') return
  add(`${name} looks at the header: ${header}`, (s) => {
    if (header === 'another owner') fenced(s, index, world)
    else recover(s, index, world)
  })
}

/** Safeguard 3: what an owner makes of the header that came with a read. */
function judge({ owners, store }: State, index: number, { rules }: World): 'ours' | 'another owner' | 'moved' {
  const { epoch, base, sent } = owners[index]
  if (rules.ownerEpoch && store.epoch > epoch) return 'another owner'
  const outside = store.position < base || store.position > sent
  return outside || (rules.ownerEpoch && store.epoch < epoch) ? 'moved' : 'ours'
}

/** One step over [position, to): a read of what is not held, then the events in order. */
function process(s: State, index: number, to: number, world: World): void {
  const owner = s.owners[index]
  const overlay: [number, number] = [...owner.overlay]
  const events = Array.from({ length: to - owner.position }, (_, i) => owner.position + i)
  if (world.rules.validatedReads && events.some((event) => overlay[keyIndex(event)] === NOT_HELD)) {
    const header = judge(s, index, world)
    if (header === 'another owner') return fenced(s, index, world)
    if (header === 'moved') return recover(s, index, world)
  }
  const outputs: Output[] = []
  for (const event of events) {
    const key = keyIndex(event)
    const value = overlay[key] === NOT_HELD ? s.store.values[key] : overlay[key]
    if (event >= owner.committed) outputs.push({ seq: event, value })
    overlay[key] = value + 1
  }
  if (to > owner.committed) beginCommit(owner, to, outputs)
  else owner.position = to
  owner.overlay = overlay
}

/** Safeguard 7: what the commit before changed is serialised here, before this step's changes are in the overlay. */
function beginCommit(owner: Owner, to: number, outputs: Output[]): void {
  const delta = owner.position > owner.base ? { to: owner.position, values: owner.overlay } : null
  if (owner.position <= owner.proven) owner.ready = delta
  else owner.pending = delta
  owner.batch = { from: owner.position, to, outputs }
  owner.phase = 'produce'
}

/** Accepted means that the transaction before is complete (else CONCURRENT_TRANSACTIONS): that is the proof. */
function produce(state: State, index: number, world: World, add: Add): void {
  const { rules } = world
  const { log } = state
  const owner = state.owners[index]
  if (owner.producer === log.producer && log.decided !== null) return
  add(`P${index + 1} produces ${outputsOf(owner)}`, (s) => {
    const own = s.owners[index]
    if (own.cutOff && rules.lostConnections) return recover(s, index, world)
    if (s.log.producer !== own.producer) return fenced(s, index, world)
    prove(own)
    const { outputs } = own.batch!
    s.log.open = { producer: own.producer, outputs: [...(s.log.open?.outputs ?? []), ...outputs], to: null }
    own.phase = 'offsets'
    // Only a stale EndTxn can come between the outputs and the position: without one they are sent in one go.
    if (rules.indefiniteErrors) commit(s, index)
  })
}

const outputsOf = ({ batch }: Owner): string =>
  batch!.outputs.length === 0 ? 'nothing' : `outputs ${batch!.outputs.map(({ seq }) => seq).join(', ')}`

function prove(owner: Owner): void {
  owner.proven = Math.max(owner.proven, owner.position)
  if (owner.pending !== null) owner.ready = owner.pending
  owner.pending = null
}

function sendOffsets(state: State, index: number, world: World, add: Add): void {
  const owner = state.owners[index]
  if (owner.producer === state.log.producer && state.log.decided !== null) return
  add(`P${index + 1} sends its position ${owner.batch!.to}`, (s) => {
    if (s.log.producer !== owner.producer) return fenced(s, index, world)
    commit(s, index)
  })
}

/** The position joins the transaction, and EndTxn is on its way. */
function commit(s: State, index: number): void {
  const owner = s.owners[index]
  const { to } = owner.batch!
  s.log.open = { producer: owner.producer, outputs: s.log.open?.outputs ?? [], to }
  s.messages = [...s.messages, { kind: 'end', owner: index, producer: owner.producer, to }]
  owner.phase = 'ending'
}

/** One delta is under way at a time. While a step is committed, what was ready before it is sent as it was serialised. */
function sendDelta(owner: Owner, index: number, { rules }: World, add: Add): void {
  if (owner.flushing) return
  const current = owner.phase === 'run' && owner.position <= owner.proven
  const delta: Delta | null = current ? { to: owner.position, values: owner.overlay } : owner.ready
  if (delta === null || delta.to <= owner.base) return
  add(`P${index + 1} sends the delta [${owner.base}, ${delta.to})`, (s) => {
    const own = s.owners[index]
    own.flushing = true
    own.sent = delta.to
    const values = rules.serialisedAtCommit ? delta.values : own.overlay
    const { epoch, base: from } = own
    s.messages = [...s.messages, { kind: 'delta', owner: index, epoch, from, to: delta.to, values }]
  })
}

/** A delta up to `to` is stored: entries that still have the value sent are not needed any more. */
export function acknowledged(owner: Owner, to: number, sent: Values, { rules }: World): void {
  const without = ([a, b]: Values): Values => [a === sent[0] ? NOT_HELD : a, b === sent[1] ? NOT_HELD : b]
  const cleared = ([a, b]: Values): Values => [sent[0] === NOT_HELD ? a : NOT_HELD, sent[1] === NOT_HELD ? b : NOT_HELD]
  const rest = (delta: Delta | null): Delta | null =>
    delta === null || delta.to <= to ? null : { to: delta.to, values: without(delta.values) }
  owner.flushing = false
  owner.base = to
  owner.overlay = rules.keepsChangedAgain ? without(owner.overlay) : cleared(owner.overlay)
  owner.ready = rest(owner.ready)
  owner.pending = rest(owner.pending)
}
