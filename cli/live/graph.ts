/**
 * The topologies as the page draws them, made from their own description: a topic between two topologies is one node, and
 * steps that only count or write down are drawn into the edge that they stand on.
 */

import type { EdgeFlow, Graph, GraphEdge, GraphNode } from '../../dashboard/snapshot.ts'
import { graphOf, type Topology } from '../../streams/index.ts'

/** An edge of the page with the key of its counter in the tasks of its topology. */
interface Drawn extends GraphEdge {
  readonly topology: string
  readonly keys: readonly string[]
}

export interface DrawnGraph {
  readonly graph: Graph
  readonly edges: readonly Drawn[]
}

const about: Readonly<Record<string, string>> = {
  deduplicate: 'The first with an identity counts; copies and conflicts go aside.',
  split: 'One branch for each.',
  features: 'What the account did before: counts, sums, distinct partners, its usual amount, how far it travelled.',
  score: 'Rules add points, each with its reason.',
  admit: 'Both banks must be members that settle the currency.',
  decide: 'Approve, hold or decline.',
  against: 'Returns are judged against the payments that they return.',
  hold: 'Waits for a person: released or rejected by a record in the log.',
  accumulate: 'Adds up what one bank owes another in a cycle.',
  controls: 'Member lists, handed on to the settlement.',
  complete: 'A cycle is complete when every source task has closed it.',
  each: 'Nets every cycle, per currency.',
}

/** Steps that are bookkeeping or formatting: no box of their own. */
const counts = new Set(['tally', 'totals'])
const writes = new Set(['each', 'rows'])

interface Node {
  readonly id: string
  readonly kind: string
  readonly word: string
  readonly name: string
  readonly stores: readonly string[]
}
interface Link {
  readonly from: string
  readonly to: string
  readonly port: string
  readonly key: string
}

/** Takes a node with one way in out of the drawing: what left it leaves the node before it. */
function without(id: string, links: readonly Link[]): Link[] {
  const into = links.filter((link) => link.to === id)
  return links
    .filter((link) => link.to !== id)
    .map((link) => (link.from === id ? { ...link, from: into[0].from, port: into[0].port } : link))
}

function simplified(nodes: readonly Node[], links: readonly Link[]): { nodes: Node[]; links: Link[] } {
  const kinds = new Map(nodes.map((node) => [node.id, node]))
  const kept: Node[] = []
  let left = [...links]
  // From the end, so that a step is judged by what is drawn behind it.
  for (const node of nodes.toReversed()) {
    const into = left.filter((link) => link.to === node.id)
    const after = left.filter((link) => link.from === node.id)
    const wasAfter = links.filter((link) => link.from === node.id)
    const bookkeeping = counts.has(node.word) || (writes.has(node.word) && after.length === 0 && wasAfter.length > 0)
    const format =
      writes.has(node.word) && after.length > 0 && after.every((link) => kinds.get(link.to)?.kind === 'sink')
    // A netting step writes to several places: it is work, not format.
    const hidden = bookkeeping || (format && after.length === 1)
    if (hidden && into.length === 1) left = without(node.id, left)
    else kept.unshift(node)
  }
  // All events pass by a step that takes control records only: what flows into it is what comes out of it.
  const controls = new Set(kept.filter(({ word }) => word === 'controls').map(({ id }) => id))
  const keyOut = (id: string): string | undefined => left.find((link) => link.from === id)?.key
  const counted = left.map((link) => (controls.has(link.to) ? { ...link, key: keyOut(link.to) ?? link.key } : link))
  return { nodes: kept, links: counted }
}

/** Words that say what is done without the name of what they keep. */
const plain = new Set(['deduplicate', 'decide', 'hold', 'complete'])

const labelOf = ({ word, name }: Node): string => {
  if (word === 'split') return name.replace(/^by /, '')
  if (word === 'each' || word === 'rows' || word === 'controls') return name.replaceAll('-', ' ')
  return plain.has(word) ? word : `${word} ${name}`
}

/** The page's graph of some topologies. */
export function drawn(topologies: readonly Topology[]): DrawnGraph {
  const nodes = new Map<string, GraphNode>()
  const edges = new Map<string, Drawn>()
  for (const topology of topologies) {
    const described = graphOf(topology)
    const { nodes: kept, links } = simplified(described.nodes, described.edges)
    const ids = new Map<string, string>()
    for (const node of kept) {
      const topic = node.kind === 'source' || node.kind === 'sink'
      const id = topic ? node.name : node.id
      ids.set(node.id, id)
      if (topic) nodes.set(id, { id, kind: 'topic' })
      else {
        nodes.set(id, {
          id,
          label: labelOf(node),
          kind: node.word === 'split' ? 'split' : 'operator',
          topology: topology.name,
          ...(about[node.word] === undefined ? {} : { about: about[node.word] }),
          ...(node.stores.length === 0 ? {} : { stores: node.stores }),
        })
      }
    }
    for (const { from, to, port, key } of links) {
      const [a, b] = [ids.get(from), ids.get(to)]
      if (a === undefined || b === undefined) continue
      const label = port === 'out' || port === 'events' ? undefined : port
      const before = edges.get(`${a}\0${b}`)
      edges.set(`${a}\0${b}`, {
        from: a,
        to: b,
        ...(before?.label === undefined && label === undefined
          ? {}
          : { label: [before?.label, label].filter((text) => text !== undefined).join(', ') }),
        topology: topology.name,
        keys: [...(before?.keys ?? []), key],
      })
    }
  }
  const list = [...edges.values()]
  return {
    graph: { nodes: [...nodes.values()], edges: list.map(({ topology: _t, keys: _k, ...edge }) => edge) },
    edges: list,
  }
}

/** Ids of the nodes on the shortest way from one to another by way of an edge with this label; empty when there is none. */
export function pathVia({ edges }: Graph, from: string, label: string, to: string): string[] {
  for (const edge of edges) {
    if (!(edge.label ?? '').split(', ').includes(label)) continue
    const before = shortest(edges, from, edge.from)
    const after = shortest(edges, edge.to, to)
    if (before !== null && after !== null) return [...before, ...after]
  }
  return []
}

function shortest(edges: readonly GraphEdge[], from: string, to: string): string[] | null {
  const seen = new Set([from])
  let ways: string[][] = [[from]]
  while (ways.length > 0) {
    const done = ways.find((way) => way.at(-1) === to)
    if (done !== undefined) return done
    ways = ways.flatMap((way) =>
      edges
        .filter((edge) => edge.from === way.at(-1) && !seen.has(edge.to))
        .map((edge) => {
          seen.add(edge.to)
          return [...way, edge.to]
        }),
    )
  }
  return null
}

/** Counters of all tasks at one instant. */
interface Sample {
  readonly at: number
  readonly totals: readonly number[]
}

/** Rates are taken over about so long: shorter ones jump with every batch. */
const WINDOW_MS = 3_000

/** Rates per edge from the counters of the tasks: differences between looks. */
export class Flows {
  private readonly edges: readonly Drawn[]
  private readonly samples: Sample[] = []

  constructor(edges: readonly Drawn[]) {
    this.edges = edges
  }

  /** `rates`: counters of every task of a topology. `now`: of the machine, milliseconds. */
  take(rates: (topology: string) => readonly ReadonlyMap<string, number>[], now: number): EdgeFlow[] {
    const totals = this.edges.map(({ topology, keys }) => {
      let total = 0
      for (const counters of rates(topology)) for (const key of keys) total += counters.get(key) ?? 0
      return total
    })
    // After a pause without lookers the difference would be of another hour.
    while (this.samples.length > 0 && now - this.samples[0].at > WINDOW_MS) this.samples.shift()
    const before = this.samples[0]
    this.samples.push({ at: now, totals })
    return this.edges.map(({ from, to }, i) => ({
      from,
      to,
      perSecond: before === undefined ? 0 : Math.max(0, ((totals[i] - before.totals[i]) * 1000) / (now - before.at)),
      total: totals[i],
    }))
  }
}
