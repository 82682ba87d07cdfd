/** A topology describes itself: as Kafka Streams' text, as Mermaid, and as a plain graph for a page to draw. */

import type { Node, Topology } from './topology.ts'

const titleOf = (node: Node): string => {
  if (node.kind === 'source') return `source-${node.name}`
  if (node.kind === 'sink') return `sink-${node.name}`
  return node.name.replaceAll(' ', '-')
}

interface Link {
  readonly from: Node
  readonly to: Node
  readonly port: string
}

function linksOf({ nodes }: Topology): Link[] {
  return nodes.flatMap((to) =>
    to.kind === 'source' ? [] : to.inputs.map((edge) => ({ from: nodes[edge.node], to, port: edge.port })),
  )
}

/** The text of org.apache.kafka.streams.TopologyDescription: one sub-topology, nodes in the order of the topology. */
export function describe(...topologies: readonly Topology[]): string {
  const lines = ['Topologies:']
  topologies.forEach((topology, index) => {
    lines.push(`   Sub-topology: ${index} (${topology.name})`)
    const links = linksOf(topology)
    for (const node of topology.nodes) {
      const before = unique(links.filter((link) => link.to === node).map((link) => titleOf(link.from)))
      const after = unique(links.filter((link) => link.from === node).map((link) => titleOf(link.to)))
      if (node.kind === 'source') lines.push(`    Source: ${titleOf(node)} (topics: [${node.topic.name}])`)
      else if (node.kind === 'sink') lines.push(`    Sink: ${titleOf(node)} (topic: ${node.topic.name})`)
      else
        lines.push(`    Processor: ${titleOf(node)} (stores: [${node.spec.stores.concat(node.spec.uses).join(', ')}])`)
      if (node.kind !== 'sink') lines.push(`      --> ${after.join(', ') || 'none'}`)
      if (node.kind !== 'source') lines.push(`      <-- ${before.join(', ')}`)
    }
  })
  return `${lines.join('\n')}\n`
}

/** A Mermaid flowchart; topics are cylinders, stores stand in their operator. Ports other than the main one label edges. */
export function mermaid(...topologies: readonly Topology[]): string {
  const lines = ['flowchart LR']
  const topics = new Set<string>()
  const topic = (name: string): string => {
    const id = `t_${name.replaceAll('-', '_')}`
    if (!topics.has(name)) lines.push(`  ${id}[(${name})]`)
    topics.add(name)
    return id
  }
  for (const topology of topologies) {
    const idOf = (node: Node): string =>
      node.kind === 'operator' ? `${topology.name}_${node.id}` : topic(node.topic.name)
    for (const node of topology.nodes) {
      if (node.kind === 'operator') lines.push(`  ${idOf(node)}["${node.spec.word}<br/>${node.name}"]`)
    }
    for (const { from, to, port } of linksOf(topology)) {
      const label = port === 'out' || port === 'events' ? '' : `|${port}|`
      lines.push(`  ${idOf(from)} -->${label} ${idOf(to)}`)
    }
  }
  return `${unique(lines).join('\n')}\n`
}

export interface GraphNode {
  readonly id: string
  readonly kind: Node['kind']
  readonly word: string
  readonly name: string
  readonly stores: readonly string[]
}
export interface GraphEdge {
  readonly from: string
  readonly to: string
  readonly port: string
  /** Key of the edge in a task's rates. */
  readonly key: string
}

/** Nodes and edges for a page; ids are '<topology>/<number>'. */
export function graphOf(topology: Topology): { name: string; nodes: GraphNode[]; edges: GraphEdge[] } {
  const id = (number: number): string => `${topology.name}/${number}`
  return {
    name: topology.name,
    nodes: topology.nodes.map((node) => ({
      id: id(node.id),
      kind: node.kind,
      word: node.kind === 'operator' ? node.spec.word : node.kind,
      name: node.name,
      stores: node.kind === 'operator' ? node.spec.stores : [],
    })),
    edges: topology.nodes.flatMap((to) =>
      to.kind === 'source'
        ? []
        : to.inputs.map(({ node, port }) => ({
            from: id(node),
            to: id(to.id),
            port,
            key: `${node}:${port}>${to.id}`,
          })),
    ),
  }
}

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)]
