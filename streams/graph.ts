/**
 * A topology inside a task: every node becomes an RxJS stage on batches, wired by Subjects. Everything is synchronous:
 * pushing a step's batch into the source runs the whole graph before it returns, and throws what an operator threw.
 */

import { map, merge, Subject, tap } from 'rxjs'
import type { Control, Flowing, OperatorRuntime, TaskContext } from './operator.ts'
import { ColumnOutput, ObjectOutput, type Output } from './output.ts'
import { pinnedIds, type SchemaIds } from './schema-ids.ts'
import type { RecordType } from './source.ts'
import type { Topology } from './topology.ts'

export interface Graph {
  /** Pushes what the source gives in a step. */
  push(port: 'events' | 'deadLetters', flowing: Flowing): void
  /** Tells every operator of a control record, in the order of the topology. */
  control(control: Control): void
  readonly outputs: readonly Output[]
  /** Records that went along each edge since the task began: 'from:port>to'. */
  readonly rates: ReadonlyMap<string, number>
}

export interface GraphOptions {
  /** Partition that a topic of this name is written to by this task. */
  readonly partitionOf: (topic: { readonly partitions: 'input' | 'one' }) => number
  /** Mark record of topics that are cut for sinks, by topic; null for topics without marks. */
  readonly markOf: (topic: string) => RecordType | null
  /** Default: the pinned ids. */
  readonly schemas?: SchemaIds
}

/** Wires a topology for one task. */
export function wire(topology: Topology, context: TaskContext, options: GraphOptions): Graph {
  const ports = new Map<string, Subject<Flowing>>()
  const portOf = (node: number, port: string): Subject<Flowing> => {
    const key = `${node}:${port}`
    let subject = ports.get(key)
    if (subject === undefined) ports.set(key, (subject = new Subject()))
    return subject
  }
  // RxJS hands an error to the subscriber and goes on, or throws it when everything is over: the step would be committed
  // without what follows the operator. So it is kept, and thrown before the step returns, and by every later one.
  let failed: { error: unknown } | null = null
  const fail = (error: unknown): void => void (failed ??= { error })
  const raise = (): void => {
    if (failed !== null) throw failed.error
  }
  const outputs: Output[] = []
  const rates = new Map<string, number>()
  const controlled: { runtime: OperatorRuntime; emit: (port: string, value: Flowing) => void }[] = []
  for (const node of topology.nodes) {
    if (node.kind === 'source') continue
    const input = merge(
      ...node.inputs.map((edge) => {
        const key = `${edge.node}:${edge.port}>${node.id}`
        rates.set(key, 0)
        return portOf(edge.node, edge.port).pipe(
          tap((flowing) => rates.set(key, (rates.get(key) ?? 0) + sizeOf(flowing))),
        )
      }),
    )
    if (node.kind === 'sink') {
      const destination = { topic: node.topic.name, partition: options.partitionOf(node.topic), task: context.task }
      const mark = options.markOf(node.topic.name)
      const ids = options.schemas ?? pinnedIds
      const output = node.spec.objects
        ? new ObjectOutput(destination, node.spec, mark, ids)
        : new ColumnOutput(destination, node.spec, mark, ids, context)
      outputs.push(output)
      input.pipe(tap((flowing) => output.take(flowing))).subscribe({ error: fail })
      continue
    }
    const runtime = node.spec.create(context)
    const emit = (port: string, value: Flowing): void => portOf(node.id, port).next(value)
    controlled.push({ runtime, emit })
    input.pipe(map((flowing) => runtime.process(flowing, emit))).subscribe({ error: fail })
  }
  return {
    push(port, flowing) {
      portOf(topology.source.id, port).next(flowing)
      raise()
    },
    control(control) {
      for (const { runtime, emit } of controlled) runtime.control?.(control, emit)
      raise()
    },
    outputs,
    rates,
  }
}

const sizeOf = (flowing: Flowing): number => ('count' in flowing ? flowing.count : flowing.length)
