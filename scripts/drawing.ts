/**
 * The flow as one Mermaid drawing for a page: made from what the topologies say of themselves, with the steps of a chain
 * in one box. `sluice describe --mermaid` has every operator.
 */
import { graphOf, type GraphEdge, type GraphNode } from '../streams/describe.ts'
import type { Topology } from '../streams/topology.ts'

/** Operators that only name branches, count, or give rows the form in which they are written: not steps of the business. */
const quiet = new Set(['split', 'tally', 'totals', 'rows', 'controls'])

interface Drawn {
  readonly id: string
  readonly kind: GraphNode['kind']
  /** Steps of a box, in order; of a topic its name. */
  readonly lines: string[]
}

interface Arrow {
  readonly from: string
  readonly to: string
  readonly label: string
}

const isMain = (port: string): boolean => port === 'out' || port === 'events'
const topicId = (name: string): string => `t_${name.replaceAll('-', '_')}`

/** An operator all of whose results go into topics as they are: `each` then only gives them their form. */
function onlyForms(node: GraphNode, nodes: readonly GraphNode[], edges: readonly GraphEdge[]): boolean {
  if (node.word !== 'each') return false
  const after = edges.filter(({ from }) => from === node.id).map(({ to }) => nodes.find(({ id }) => id === to))
  return after.every((next) => next?.kind === 'sink' || (next !== undefined && quiet.has(next.word)))
}

/** Boxes and arrows of one topology, quiet operators left out: what led to them leads to what they lead to. */
function drawn(topology: Topology): { boxes: Drawn[]; arrows: Arrow[] } {
  const { nodes, edges } = graphOf(topology)
  const left = new Set(
    nodes
      .filter((node) => node.kind === 'operator' && (quiet.has(node.word) || onlyForms(node, nodes, edges)))
      .map(({ id }) => id),
  )
  const nameOf = (node: GraphNode): string =>
    node.kind === 'operator' ? node.id.replaceAll(/[^A-Za-z0-9]/g, '_') : topicId(node.name)
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const arrows: Arrow[] = []
  const follow = (from: GraphNode, edge: GraphEdge, label: string): void => {
    const to = byId.get(edge.to) as GraphNode
    const said = isMain(edge.port) ? label : edge.port
    if (!left.has(to.id)) arrows.push({ from: nameOf(from), to: nameOf(to), label: said })
    // What is read past the main stream is named by the operator that reads it.
    const named = to.word === 'controls' ? to.name : said
    if (left.has(to.id)) for (const next of edges.filter((one) => one.from === to.id)) follow(from, next, named)
  }
  for (const edge of edges) if (!left.has(edge.from)) follow(byId.get(edge.from) as GraphNode, edge, '')
  const boxes = nodes
    .filter(({ id }) => !left.has(id))
    .map((node): Drawn => {
      const lines = [node.kind === 'operator' ? `${node.word} ${node.name}` : node.name]
      return { id: nameOf(node), kind: node.kind, lines }
    })
  return { boxes, arrows }
}

/** Joins boxes that follow each other and nothing else: a chain of steps is one box. */
function joined({ boxes, arrows }: { boxes: Drawn[]; arrows: Arrow[] }): { boxes: Drawn[]; arrows: Arrow[] } {
  const kindOf = new Map(boxes.map(({ id, kind }) => [id, kind]))
  const into = new Map<string, string>()
  const headOf = (id: string): string => (into.has(id) ? headOf(into.get(id) as string) : id)
  for (const { from, to, label } of arrows) {
    const steps = kindOf.get(from) === 'operator' && kindOf.get(to) === 'operator'
    const alone = arrows.filter((a) => a.from === from).length === 1 && arrows.filter((a) => a.to === to).length === 1
    if (steps && alone && label === '') into.set(to, from)
  }
  const kept = boxes.filter(({ id }) => !into.has(id))
  for (const { id, lines } of boxes) {
    if (into.has(id)) kept.find((box) => box.id === headOf(id))?.lines.push(...lines)
  }
  const rest = arrows
    .filter(({ from, to }) => into.get(to) !== from)
    .map(({ from, to, label }) => ({ from: headOf(from), to: headOf(to), label }))
  return { boxes: kept, arrows: rest }
}

/** A Mermaid flowchart of the topologies, topics as cylinders; those of `tables` with a thick line. */
export function drawing(topologies: readonly Topology[], tables: ReadonlySet<string>): string {
  const lines = ['flowchart TB']
  const topics = new Map<string, string>()
  const arrows: Arrow[] = []
  for (const topology of topologies) {
    const { boxes, arrows: own } = joined(drawn(topology))
    arrows.push(...own)
    const tasks = topology.source.topic.partitions === 'one' ? 'one task' : 'one task per partition'
    lines.push(`  subgraph ${topology.name}["${topology.name}: ${tasks}"]`)
    for (const { id, kind, lines: steps } of boxes) {
      if (kind === 'operator') lines.push(`    ${id}["${steps.join('<br/>')}"]`)
      else topics.set(id, steps[0])
    }
    lines.push('  end')
  }
  for (const [id, name] of topics) lines.push(`  ${id}[(${name})]${tables.has(name) ? ':::table' : ''}`)
  for (const { from, to, label } of arrows) lines.push(`  ${from} -->${label === '' ? '' : `|${label}|`} ${to}`)
  lines.push('  classDef table stroke-width:3px')
  return lines.join('\n')
}
