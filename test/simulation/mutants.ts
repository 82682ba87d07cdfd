/** Engines that are wrong on purpose, each in one way that a mistake could bring; the simulator has to report them all. */
import type { OperatorRuntime, OperatorSpec, TaskContext } from '../../streams/operator.ts'
import { Output } from '../../streams/output.ts'
import { Processor } from '../../streams/processor.ts'
import { SeenStore } from '../../streams/seen.ts'
import { Task } from '../../streams/task.ts'
import type { Topology } from '../../streams/topology.ts'
import { payments } from '../../topologies/payments.ts'
import { settlement } from '../../topologies/settlement.ts'
import type { Settings } from '../../schemas/settings.ts'

export interface Mutant {
  readonly topologies?: (settings: Settings) => readonly Topology[]
  /** Changes the engine; returns what puts it right again. */
  readonly install?: () => () => void
}

/** The topologies of the product with one operator changed. */
const changed =
  (name: string, change: (runtime: OperatorRuntime, context: TaskContext) => OperatorRuntime) =>
  (settings: Settings): readonly Topology[] => {
    const mutate = (spec: OperatorSpec): OperatorSpec => ({
      ...spec,
      create: (context) => change(spec.create(context), context),
    })
    const all = [payments(settings), settlement(settings)].map((topology) => ({
      ...topology,
      nodes: topology.nodes.map((node) =>
        node.kind === 'operator' && node.name === name ? { ...node, spec: mutate(node.spec) } : node,
      ),
    }))
    if (!all.some(({ nodes }) => nodes.some((node) => node.name === name))) throw new Error(`no operator '${name}'`)
    return all
  }

/** Replaces a method for as long as the mutant lives. */
function patch(prototype: object, method: string, make: (original: Method) => Method): () => void {
  const methods = prototype as Record<string, Method>
  const original = methods[method]
  if (original === undefined) throw new Error(`no method '${method}'`)
  methods[method] = make(original)
  return () => void (methods[method] = original)
}
type Method = (this: object, ...values: never[]) => unknown

export const mutants: Record<string, Mutant> = {
  'forgets an identity at the very edge of the horizon': {
    topologies: (settings) => [
      payments({ ...settings, dedupHorizonMs: settings.dedupHorizonMs - 1 }),
      settlement(settings),
    ],
  },

  'loses the close of a step in which nothing is approved': {
    topologies: changed('cycles', (runtime) => ({
      ...runtime,
      process(input, emit) {
        if ('count' in input && input.count > 0) runtime.process(input, emit)
      },
    })),
  },

  'asks something that is not in the record': {
    topologies: changed('verdict', (runtime) => ({
      ...runtime,
      process(input, emit) {
        runtime.process(input, emit)
        if (!('count' in input) || input.count === 0) return
        // Stands for a clock or a random number: every processing sees another value.
        if (outside++ % 40 === 39) input.code('outcome')[input.selection[0]] = 1
      },
    })),
  },

  'counts a returned amount in the direction of the payment': {
    topologies: changed('cycles', (runtime) => ({
      ...runtime,
      process(input, emit) {
        const codes = 'count' in input && input.count > 0 ? input.code('kind') : null
        const kept = codes?.slice()
        codes?.fill(0)
        runtime.process(input, emit)
        if (kept !== undefined) codes?.set(kept)
      },
    })),
  },

  'serialises a delta after later steps have touched the state': {
    install() {
      const late = new WeakMap<object, number>()
      return patch(
        Task.prototype,
        'takeDelta',
        (original) =>
          function (this: object, to: number) {
            const before = late.get(this)
            late.set(this, to)
            if (before !== undefined) original.call(this, before as never)
          } as Method,
      )
    },
  },

  'writes again what the log has already': {
    install: () => patch(Processor.prototype, 'discard', () => () => undefined),
  },

  'numbers its outputs from 0 after a restart': {
    install: () => patch(Output.prototype, 'restore', () => () => undefined),
  },

  'does not write behind what an operator changed in an entry': {
    install() {
      const unmarked = (original: Method): Method =>
        function (this: object, ...values) {
          const store = this as unknown as { dirty: Uint8Array; changes: number }
          const [entry] = values as unknown as [number]
          const { changes } = store
          const clean = store.dirty[entry] === 0
          const result = original.apply(this, values)
          if (clean) {
            store.dirty[entry] = 0
            store.changes = changes
          }
          return result
        }
      const restore = ['setCode', 'setNumber'].map((method) => patch(SeenStore.prototype, method, unmarked))
      return () => restore.forEach((one) => one())
    },
  },

  'goes on from an older position than its state': {
    install: () => patch(Task.prototype, 'reprocess', () => () => Promise.resolve()),
  },
}

let outside = 0
