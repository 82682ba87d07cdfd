/**
 * topology(name, flow => ...) builds a value: the graph of what is done with a log. It runs nothing.
 * Everything wrong with it is said at once, when it is built, in the words of who wrote it.
 */

import type { Batch } from './batch.ts'
import type { OperatorSpec } from './operator.ts'
import type { SinkSpec } from './sinks.ts'
import type { SourceSpec } from './source.ts'

/** A topic as far as a topology needs to know it. */
export interface TopicRef {
  readonly name: string
  readonly partitions: 'input' | 'one'
}

export interface SourceNode {
  readonly kind: 'source'
  readonly id: number
  readonly name: string
  readonly topic: TopicRef
  readonly spec: SourceSpec
}
export interface OperatorNode {
  readonly kind: 'operator'
  readonly id: number
  readonly name: string
  readonly inputs: readonly Edge[]
  readonly spec: OperatorSpec
}
export interface SinkNode {
  readonly kind: 'sink'
  readonly id: number
  readonly name: string
  readonly inputs: readonly Edge[]
  readonly topic: TopicRef
  readonly spec: SinkSpec
}
export type Node = SourceNode | OperatorNode | SinkNode

/** A port of a node. */
export interface Edge {
  readonly node: number
  readonly port: string
}

export interface Topology {
  readonly name: string
  readonly nodes: readonly Node[]
  readonly source: SourceNode
}

/** Every fault of a topology, one sentence each. */
export class TopologyError extends Error {
  readonly faults: readonly string[]

  constructor(name: string, faults: readonly string[]) {
    super(`topology '${name}' cannot be built:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`)
    this.name = 'TopologyError'
    this.faults = faults
  }
}

/** Splits a stream by a code column into named branches: the index of a name is the code. */
export interface Split<Branch extends string> {
  readonly column: string
  readonly branches: readonly Branch[]
}

class Builder {
  readonly nodes: Node[] = []
  readonly used = new Set<string>()
  readonly faults: string[] = []
  readonly dropped = new Map<string, string>()

  add<T extends Node>(node: T): T {
    this.nodes.push(node)
    return node
  }

  use(edge: Edge): Edge {
    this.used.add(`${edge.node}:${edge.port}`)
    return edge
  }
}

/** A stream of batches (or of items) in a topology under construction. */
export class Stream {
  readonly builder: Builder
  readonly edges: readonly Edge[]

  constructor(builder: Builder, edges: readonly Edge[]) {
    this.builder = builder
    this.edges = edges
  }

  /** Applies operators one after the other; gives the main port of the last one. */
  pipe(...operators: readonly OperatorSpec[]): Stream {
    return operators.reduce<Stream>((stream, spec) => stream.through(spec).out, this)
  }

  /** Applies an operator and gives all its ports: `const { released, rejected } = held.through(hold(...))`. */
  through(spec: OperatorSpec): Record<string, Stream> {
    const inputs = this.edges.map((edge) => this.builder.use(edge))
    const node = this.builder.add({ kind: 'operator', id: this.builder.nodes.length, name: spec.name, inputs, spec })
    return Object.fromEntries(spec.ports.map((port) => [port, new Stream(this.builder, [{ node: node.id, port }])]))
  }

  /** One stream per branch. */
  split<Branch extends string>(by: Split<Branch>): Record<Branch, Stream> {
    return this.through(splitBy(by)) as Record<Branch, Stream>
  }

  /** This stream and the others as one; in a step each brings its own batch. */
  merge(...others: readonly Stream[]): Stream {
    return new Stream(
      this.builder,
      [this, ...others].flatMap((stream) => stream.edges),
    )
  }

  /** Writes to a topic. */
  to(topic: TopicRef, spec: SinkSpec): void {
    const inputs = this.edges.map((edge) => this.builder.use(edge))
    this.builder.add({ kind: 'sink', id: this.builder.nodes.length, name: topic.name, inputs, topic, spec })
  }

  /** Says that this stream goes nowhere on purpose, and why. */
  leave(why: string): void {
    for (const edge of this.edges) {
      this.builder.use(edge)
      this.builder.dropped.set(`${edge.node}:${edge.port}`, why)
    }
  }
}

export class Flow {
  readonly builder = new Builder()

  /** The events of a topic; its dead letters are the port `deadLetters`. */
  from(topic: TopicRef, spec: SourceSpec): { events: Stream; deadLetters: Stream } {
    const node = this.builder.add({ kind: 'source', id: this.builder.nodes.length, name: topic.name, topic, spec })
    return {
      events: new Stream(this.builder, [{ node: node.id, port: 'events' }]),
      deadLetters: new Stream(this.builder, [{ node: node.id, port: 'deadLetters' }]),
    }
  }
}

/** Builds a topology and validates it as a whole. Throws TopologyError with every fault. */
export function topology(name: string, build: (flow: Flow) => void): Topology {
  const flow = new Flow()
  build(flow)
  const { nodes, used } = flow.builder
  const faults: string[] = []
  if (!/^[a-z][a-z0-9-]*$/.test(name)) faults.push(`its name '${name}' must be lower case letters, digits and dashes`)
  const sources = nodes.filter((node) => node.kind === 'source')
  if (sources.length !== 1) faults.push(`it reads from ${sources.length} topics; a task reads exactly one`)
  faults.push(...nameFaults(nodes), ...columnFaults(nodes), ...storeFaults(nodes))
  for (const node of nodes) {
    if (node.kind === 'sink') continue
    const ports = node.kind === 'source' ? ['events', 'deadLetters'] : node.spec.ports
    for (const port of ports) {
      if (!used.has(`${node.id}:${port}`)) {
        faults.push(`'${port}' of ${said(node)} goes nowhere: write it to a topic, or say .leave(why)`)
      }
    }
  }
  if (faults.length > 0) throw new TopologyError(name, faults)
  return Object.freeze({ name, nodes, source: sources[0] as SourceNode })
}

const said = (node: Node): string =>
  node.kind === 'operator' ? `${node.spec.word} '${node.name}'` : `${node.kind} '${node.name}'`

function nameFaults(nodes: readonly Node[]): string[] {
  const faults: string[] = []
  const names = new Map<string, Node>()
  for (const node of nodes) {
    if (node.kind !== 'operator') continue
    const before = names.get(node.name)
    if (before !== undefined) faults.push(`${said(before)} and ${said(node)} have the same name`)
    names.set(node.name, node)
  }
  const topics = new Map<string, SinkNode>()
  for (const node of nodes) {
    if (node.kind !== 'sink') continue
    if (topics.has(node.name)) {
      faults.push(`topic '${node.name}' is written twice: merge the streams before .to(), so that their order is one`)
    }
    topics.set(node.name, node)
  }
  return faults
}

function storeFaults(nodes: readonly Node[]): string[] {
  const faults: string[] = []
  const stores = new Set<string>()
  for (const node of nodes) {
    if (node.kind !== 'operator') continue
    for (const store of node.spec.stores) {
      if (stores.has(store)) faults.push(`store '${store}' is kept twice (again by ${said(node)})`)
      stores.add(store)
    }
  }
  for (const node of nodes) {
    if (node.kind !== 'operator') continue
    for (const store of node.spec.uses) {
      if (!stores.has(store)) faults.push(`${said(node)} uses store '${store}', which no operator keeps`)
    }
  }
  return faults
}

/** What the rows of an edge carry: columns, or plain items (null). */
function columnFaults(nodes: readonly Node[]): string[] {
  const faults: string[] = []
  const carried = new Map<string, Set<string> | null>()
  for (const node of nodes) {
    if (node.kind === 'source') {
      carried.set(`${node.id}:events`, node.spec.objects ? null : new Set(node.spec.columns))
      carried.set(`${node.id}:deadLetters`, null)
      continue
    }
    const inputs = node.inputs.map((edge) => carried.get(`${edge.node}:${edge.port}`))
    const needs = node.spec.needs
    for (const input of inputs) {
      for (const column of needs) {
        if (input?.has(column) === false) faults.push(`${said(node)} reads '${column}', which nothing before it gives`)
      }
      if (input === null && needs.length > 0) faults.push(`${said(node)} reads columns, but plain items come in`)
    }
    if (node.kind !== 'operator') continue
    const first = inputs[0] ?? null
    for (const port of node.spec.ports) {
      const items = node.spec.emits === 'items' && port === 'out'
      carried.set(`${node.id}:${port}`, items || first === null ? null : new Set([...first, ...node.spec.adds]))
    }
  }
  return faults
}

function splitBy(by: Split<string>): OperatorSpec {
  return {
    word: 'split',
    name: `by ${by.column}`,
    needs: [by.column],
    adds: [],
    stores: [],
    uses: [],
    ports: by.branches,
    emits: 'batch',
    create: () => ({
      process(input, emit) {
        const batch = input as Batch
        const codes = batch.code(by.column)
        by.branches.forEach((branch, code) => emit(branch, batch.where(codes, code)))
      },
    }),
  }
}
