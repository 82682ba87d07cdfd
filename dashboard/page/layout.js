/** Where the nodes and edges of a graph stand: in layers from left to right, or as a line of stations on a phone. */

const nodeHeight = 38
const rowGap = 26
const margin = 8

function layersOf(graph) {
  const into = new Map(graph.nodes.map((node) => [node.id, []]))
  for (const edge of graph.edges) into.get(edge.to)?.push(edge.from)
  const layer = new Map()
  const visit = (id, seen) => {
    if (layer.has(id)) return layer.get(id)
    // The server promises a graph without circles; a circle would otherwise never end here.
    if (seen.has(id)) return 0
    seen.add(id)
    const found = Math.max(-1, ...into.get(id).map((from) => visit(from, seen))) + 1
    layer.set(id, found)
    return found
  }
  for (const node of graph.nodes) visit(node.id, new Set())
  return layer
}

const key = (edge) => `${edge.from}\u0000${edge.to}`

/** Every layer as a list of slots; an edge across several layers has a slot of its own in each, so it bends around nodes. */
function slotsOf(graph, layer) {
  const layers = Array.from({ length: Math.max(0, ...layer.values()) + 1 }, () => [])
  const slots = new Map()
  const add = (id, index) => {
    const slot = { id, order: layers[index].length, near: [] }
    layers[index].push(slot)
    slots.set(id, slot)
    return slot
  }
  for (const node of graph.nodes) add(node.id, layer.get(node.id))
  const chains = new Map()
  for (const edge of graph.edges) {
    if (!layer.has(edge.from) || !layer.has(edge.to)) continue
    const chain = [slots.get(edge.from)]
    for (let i = layer.get(edge.from) + 1; i < layer.get(edge.to); i++) chain.push(add(`${key(edge)}\u0000${i}`, i))
    chain.push(slots.get(edge.to))
    for (let i = 1; i < chain.length; i++) {
      chain[i].near.push(chain[i - 1])
      chain[i - 1].near.push(chain[i])
    }
    chains.set(key(edge), chain)
  }
  // Barycentre: each slot moves to the middle of its neighbours; a few sweeps undo most crossings.
  for (let sweep = 0; sweep < 8; sweep++) {
    for (const list of sweep % 2 === 0 ? layers : layers.toReversed()) {
      const middle = (slot) =>
        slot.near.length === 0 ? slot.order : slot.near.reduce((sum, other) => sum + other.order, 0) / slot.near.length
      const sorted = list.map((slot) => [middle(slot), slot]).toSorted((a, b) => a[0] - b[0])
      // Rows are centred, so orders of layers of different length compare.
      const offset = -(list.length - 1) / 2
      sorted.forEach(([, slot], i) => {
        slot.order = i + offset
      })
      list.sort((a, b) => a.order - b.order)
    }
  }
  return { layers, chains }
}

/** So many pixels a column needs: a name of two lines, and an edge that is long enough for its rate. */
const leastColumn = 128
const bandGap = 34
/** Room at the right for the bend from one band into the next. */
const bend = 26

/** Layer at which a graph that is too long is folded: few edges cross it, and both bands have about the same length. */
function foldAt(graph, layer, layers, columns) {
  if (layers.length <= columns) return layers.length
  let best = Math.ceil(layers.length / 2)
  let least = Number.POSITIVE_INFINITY
  const isTopic = (id) => graph.nodes.find((node) => node.id === id).kind === 'topic'
  for (let at = Math.max(1, layers.length - columns); at <= Math.min(columns, layers.length - 1); at++) {
    const crossing = graph.edges.filter((edge) => layer.get(edge.from) < at && layer.get(edge.to) >= at)
    // Best between two topologies, where a topic lies anyway.
    const between = crossing.every((edge) => isTopic(edge.from) || isTopic(edge.to))
    const cost = crossing.length * 100 + Math.abs(at - layers.length / 2) - (between ? 50 : 0)
    if (cost < least) [best, least] = [at, cost]
  }
  return best
}

/**
 * Layers side by side: for screens that are wide enough. A long graph is folded like a river: the second band flows back
 * below the first one.
 */
export function wide(graph, width) {
  const layer = layersOf(graph)
  const { layers, chains } = slotsOf(graph, layer)
  const columns = Math.max(1, Math.floor((width - 2 * margin - bend) / leastColumn))
  const fold = foldAt(graph, layer, layers, columns)
  const folded = fold < layers.length
  const longest = Math.max(fold, layers.length - fold)
  const column = (width - 2 * margin - (folded ? bend : 0)) / longest
  const boxWidth = Math.min(118, column * 0.68)
  const pitch = longest === 1 ? 0 : (width - 2 * margin - (folded ? bend : 0) - boxWidth) / (longest - 1)
  const step = nodeHeight + rowGap
  const rowsOf = (lists) => Math.max(0, ...lists.map((list) => list.length))
  const rows = [rowsOf(layers.slice(0, fold)), rowsOf(layers.slice(fold))]
  const secondTop = margin + rows[0] * step - rowGap + bandGap
  const at = new Map()
  layers.forEach((list, i) => {
    const back = i >= fold
    const x = back ? margin + (longest - 1 - (i - fold)) * pitch : margin + i * pitch
    const top = (back ? secondTop : margin) + ((rows[back ? 1 : 0] - list.length) * step) / 2
    list.forEach((slot, row) => at.set(slot.id, { x, y: top + row * step, back }))
  })
  const nodes = graph.nodes.map((node) => ({ node, ...at.get(node.id), width: boxWidth, height: nodeHeight }))
  const middle = (point) => point.y + nodeHeight / 2
  const leaves = (point) => (point.back ? point.x : point.x + boxWidth)
  const enters = (point) => (point.back ? point.x + boxWidth : point.x)
  const edges = graph.edges
    .filter((edge) => chains.has(key(edge)))
    .map((edge) => {
      const points = chains.get(key(edge)).map((slot) => at.get(slot.id))
      let path = `M${leaves(points[0])} ${middle(points[0])}`
      for (let i = 1; i < points.length; i++) {
        const [from, to] = [points[i - 1], points[i]]
        const half = from.back === to.back ? (leaves(from) + enters(to)) / 2 : width + bend * 0.6
        path += `C${half} ${middle(from)} ${half} ${middle(to)} ${enters(to)} ${middle(to)}`
        // Through an empty slot it goes straight.
        if (i < points.length - 1) path += `L${leaves(to)} ${middle(to)}`
      }
      // The rate stands where the edge leaves the crowd: just before the last node.
      const [from, to] = points.slice(-2)
      const turns = from.back !== to.back
      const label = turns
        ? { x: leaves(from) + 10, y: (middle(from) + middle(to)) / 2 }
        : { x: (leaves(from) + enters(to)) / 2, y: (middle(from) + middle(to)) / 2 }
      return { edge, path, label }
    })
  const height = folded ? secondTop + rows[1] * step - rowGap + margin : 2 * margin + rows[0] * step - rowGap
  return { kind: 'wide', width, height, nodes, edges }
}

/** Stations under each other, in the order of the flow, edges on lanes to their left: for phones. */
export function narrow(graph, width) {
  const layer = layersOf(graph)
  const next = new Map(graph.nodes.map((node) => [node.id, []]))
  for (const edge of graph.edges) next.get(edge.from)?.push(edge.to)
  // Ends first among the successors, so that the line goes on below the branches that end.
  const order = [...graph.nodes].toSorted((a, b) => {
    const rank = (node) => layer.get(node.id) * 2 + (next.get(node.id).length > 0 ? 1 : 0)
    return rank(a) - rank(b)
  })
  const step = 40
  const lane = 15
  const row = new Map(order.map((node, i) => [node.id, i]))
  const y = (id) => 18 + row.get(id) * step
  const spans = graph.edges
    .filter((edge) => row.has(edge.from) && row.has(edge.to))
    .map((edge) => ({ edge, from: row.get(edge.from), to: row.get(edge.to), lane: 0 }))
    .toSorted((a, b) => a.to - a.from - (b.to - b.from) || a.from - b.from)
  const taken = []
  for (const span of spans) {
    if (span.to - span.from === 1) continue
    span.lane = 1
    while (taken.some((other) => other.lane === span.lane && other.from < span.to && span.from < other.to)) span.lane++
    taken.push(span)
  }
  const spine = 14 + lane * Math.max(0, ...spans.map((span) => span.lane))
  const nodes = order.map((node) => ({
    node,
    x: spine + 16,
    y: y(node.id) - 16,
    width: width - spine - 18,
    height: 32,
  }))
  const edges = spans.map((span) => {
    const [y1, y2, x] = [y(span.edge.from), y(span.edge.to), spine - lane * span.lane]
    const bend = Math.min(16, (y2 - y1) / 2)
    const path =
      span.lane === 0
        ? `M${spine} ${y1}L${spine} ${y2}`
        : `M${spine} ${y1}C${x} ${y1} ${x} ${y1} ${x} ${y1 + bend}L${x} ${y2 - bend}C${x} ${y2} ${x} ${y2} ${spine} ${y2}`
    return { edge: span.edge, path, label: null }
  })
  return { kind: 'narrow', width, height: 18 + order.length * step, nodes, edges, spine }
}
