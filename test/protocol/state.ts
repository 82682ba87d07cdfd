/**
 * What one task's world looks like at one instant: its owners, the log, the state store, and messages under way.
 *
 * A state is a value: a step copies it (`copyOf`), changes the copy, and brings it to its normal form (`normalize`), so
 * that two worlds which can only go on alike are one state. Lists and deltas are shared between states: never changed.
 */

/** Values of the two keys; NOT_HELD where an overlay or a delta has none. A value counts events, so it is its own version. */
export type Values = readonly [number, number]
export const NOT_HELD = -1

/** An output: the number of its input event is its seq, `value` is what the step saw in its key. */
export type Output = { readonly seq: number; readonly value: number }

/** What changed in the state up to input position `to`, as it was serialised. */
export type Delta = { readonly to: number; readonly values: Values }

/** A step that is not committed yet: input positions [from, to). An empty one re-commits the same position. */
export type Batch = { readonly from: number; readonly to: number; readonly outputs: readonly Output[] }

const phases = ['idle', 'fence', 'acquire', 'readK', 'readR', 'run', 'produce', 'offsets', 'ending', 'halted'] as const
export type Phase = (typeof phases)[number]

/** A process that runs the task or believes that it does. */
export interface Owner {
  phase: Phase
  /** Its producer epoch, given by the fence; 0 before. */
  producer: number
  /** Its epoch in the state store; 0 before it has acquired. */
  epoch: number
  /** Committed input position as it knows it: below it, outputs are suppressed. */
  committed: number
  /** The stored state is at `base` or, where a delta is under way, at `sent`. */
  base: number
  sent: number
  /** Next input event. */
  position: number
  /** Highest committed position that it knows to be proven. */
  proven: number
  /** Values changed since `base`, or not yet known to be stored. */
  overlay: Values
  /** Proven delta, serialised at its commit; null when there is none, or when it is the overlay as it stands. */
  ready: Delta | null
  /** Delta of the commit that the next accepted Produce proves. */
  pending: Delta | null
  batch: Batch | null
  /** A delta is under way. */
  flushing: boolean
  /** The broker that it talked to has crashed; it learns so with its next request. */
  cutOff: boolean
}

/** The transaction coordinator, the ledger and the output partition, in one. */
export interface Log {
  /** Newest producer epoch. */
  producer: number
  /** Transaction with outputs written; `to` null until the position is in it. */
  open: { readonly producer: number; readonly outputs: readonly Output[]; readonly to: number | null } | null
  /** Transaction whose EndTxn was acknowledged, and whose markers are not written yet. */
  decided: { readonly outputs: readonly Output[]; readonly to: number | null } | null
  /** The committed position that a read finds: K. */
  committed: number
  /** What a read_committed reader sees, ever. */
  visible: readonly Output[]
  /** Outputs of a lost transaction: the next marker of the same producer decides them. */
  orphans: readonly Output[]
  /** An acknowledged transaction was lost on this road. */
  lost: boolean
}

/** The stored state, or an image of it. R is `position`. */
export type Store = { readonly position: number; readonly values: Values; readonly epoch: number }

/** On its way, arriving in any order: EndTxn to the coordinator, or a delta (APPLY) to the store. */
export type Message =
  | { readonly kind: 'end'; readonly owner: number; readonly producer: number; readonly to: number }
  | {
      readonly kind: 'delta'
      readonly owner: number
      readonly epoch: number
      readonly from: number
      readonly to: number
      readonly values: Values
    }

export interface State {
  owners: Owner[]
  log: Log
  store: Store
  /** Images that the store may fall back to, oldest first. */
  images: readonly Store[]
  messages: readonly Message[]
  /** Faults and first starts that may still happen. */
  faults: number
  starts: number
}

export const idle = (phase: Phase = 'idle'): Owner => ({
  phase,
  producer: 0,
  epoch: 0,
  committed: 0,
  base: 0,
  sent: 0,
  position: 0,
  proven: 0,
  overlay: [NOT_HELD, NOT_HELD],
  ready: null,
  pending: null,
  batch: null,
  flushing: false,
  cutOff: false,
})

/** Two processes, nothing committed, an empty state. */
export const first = (faults: number): State => ({
  owners: [idle(), idle()],
  log: { producer: 1, open: null, decided: null, committed: 0, visible: [], orphans: [], lost: false },
  store: { position: 0, values: [0, 0], epoch: 1 },
  images: [],
  messages: [],
  faults,
  starts: 2,
})

export const copyOf = (s: State): State => ({
  ...s,
  owners: [{ ...s.owners[0] }, { ...s.owners[1] }],
  log: { ...s.log },
})

/** The committed position once the markers of a decided transaction are written. */
export const decidedPosition = ({ decided, committed }: Log): number => decided?.to ?? committed

/**
 * The normal form. Of epochs only order and equality matter: they become ranks. An EndTxn that can only be refused, and
 * that nobody waits for, is gone. When no fault is left, the store cannot fall back: its images are gone, and with them
 * deltas of earlier owners, which it can only refuse (where it compares epochs: `fenced`).
 */
export function normalize(s: State, fenced: boolean): State {
  const { owners, log } = s
  const waits = ({ phase, producer }: Owner, m: Message & { kind: 'end' }): boolean =>
    phase === 'ending' && producer === m.producer
  s.messages = s.messages.filter((m) =>
    m.kind === 'end'
      ? m.producer === log.producer || waits(owners[m.owner], m)
      : s.faults > 0 || !fenced || m.epoch === s.store.epoch || owners[m.owner].flushing,
  )
  if (s.faults === 0) s.images = []
  let producers = 1 << log.producer
  let epochs = 1 << s.store.epoch
  if (log.open !== null) producers |= 1 << log.open.producer
  for (const { producer, epoch } of owners) {
    producers |= 1 << producer
    epochs |= 1 << epoch
  }
  for (const m of s.messages) {
    if (m.kind === 'end') producers |= 1 << m.producer
    else epochs |= 1 << m.epoch
  }
  for (const { epoch } of s.images) epochs |= 1 << epoch
  const isRanked = (set: number): boolean => ((set | 1) & ((set | 1) + 1)) === 0
  if (!isRanked(producers)) rankProducers(s, producers)
  if (!isRanked(epochs)) rankEpochs(s, epochs)
  if (s.messages.length > 1) s.messages = s.messages.toSorted(byContent)
  return s
}

/** Place of an epoch among those of a set, 0 staying 0. A set is a bit mask: there are never more than ten. */
function rank(epoch: number, set: number): number {
  let found = 0
  for (let below = 1; below <= epoch; below++) if ((set >> below) & 1) found++
  return found
}

function rankProducers({ owners, log, ...s }: State, set: number): void {
  const messages = s.messages as Message[]
  log.producer = rank(log.producer, set)
  if (log.open !== null) log.open = { ...log.open, producer: rank(log.open.producer, set) }
  for (const owner of owners) owner.producer = rank(owner.producer, set)
  messages.forEach((m, i) => {
    if (m.kind === 'end') messages[i] = { ...m, producer: rank(m.producer, set) }
  })
}

function rankEpochs(s: State, set: number): void {
  const messages = s.messages as Message[]
  s.store = { ...s.store, epoch: rank(s.store.epoch, set) }
  s.images = s.images.map((image) => ({ ...image, epoch: rank(image.epoch, set) }))
  for (const owner of s.owners) owner.epoch = rank(owner.epoch, set)
  messages.forEach((m, i) => {
    if (m.kind === 'delta') messages[i] = { ...m, epoch: rank(m.epoch, set) }
  })
}

const numbersOf = (m: Message): number[] =>
  m.kind === 'end'
    ? [0, m.owner, m.producer, m.to]
    : [1, m.owner, m.epoch, m.from, m.to, m.values[0] + 1, m.values[1] + 1]

function byContent(a: Message, b: Message): number {
  const [x, y] = [numbersOf(a), numbersOf(b)]
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return x[i] - (y[i] ?? -1)
  return 0
}

const phaseCode = new Map<Phase, number>(phases.map((phase, code) => [phase, code]))
const out: number[] = []

/** A state in normal form as a short string, equal exactly for equal states. */
export function keyOf(s: State): string {
  out.length = 0
  out.push(s.faults, s.starts, s.images.length, s.messages.length)
  for (const owner of s.owners) {
    const flags = (owner.flushing ? 1 : 0) + (owner.cutOff ? 2 : 0)
    out.push(phaseCode.get(owner.phase)!)
    if (owner.phase === 'idle' || owner.phase === 'fence') continue
    out.push(owner.producer, owner.epoch, owner.committed, owner.base, owner.sent, owner.position, owner.proven, flags)
    out.push(pair(owner.overlay))
    pushDelta(owner.ready)
    pushDelta(owner.pending)
    out.push(owner.batch === null ? 0 : 1 + owner.batch.from * 16 + owner.batch.to)
    if (owner.batch !== null) pushOutputs(owner.batch.outputs)
  }
  const { log } = s
  out.push(log.producer, log.committed, log.lost ? 1 : 0)
  pushOutputs(log.visible)
  pushOutputs(log.orphans)
  out.push(log.open === null ? 0 : 1 + log.open.producer)
  if (log.open !== null) pushOutputs(log.open.outputs, log.open.to)
  out.push(log.decided === null ? 0 : 1)
  if (log.decided !== null) pushOutputs(log.decided.outputs, log.decided.to)
  pushStore(s.store)
  s.images.forEach(pushStore)
  for (const m of s.messages) for (const number of numbersOf(m)) out.push(number)
  return String.fromCharCode(...out)
}

/** A value is at most 14, as is a position: N up to 14. */
const pair = ([a, b]: Values): number => (a + 1) * 16 + b + 1

function pushDelta(delta: Delta | null): void {
  if (delta === null) out.push(0)
  else out.push(1 + delta.to, pair(delta.values))
}

function pushOutputs(outputs: readonly Output[], to: number | null = null): void {
  out.push(outputs.length, to === null ? 0 : 1 + to)
  for (const { seq, value } of outputs) out.push(seq * 16 + value)
}

function pushStore({ position, values, epoch }: Store): void {
  out.push(position, pair(values), epoch)
}
