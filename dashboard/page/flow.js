/** The topology as a living drawing: its own graph, rates on the edges, amounts that move along them. */
import { byId, h, keyed, s, setText } from './dom.js'
import { narrow, wide } from './layout.js'
import { count, money, rate } from './money.js'

const edgeKey = (from, to) => `${from}\u0000${to}`
const still = matchMedia('(prefers-reduced-motion: reduce)')
/** So many amounts can be read at once; more are a swarm. */
const mostMoving = 5
/** Pixels a second: the pace of a barge. */
const pace = 95
/** Between two that set out, milliseconds: they never lie over each other on the same way. */
const apart = 1700
/** Width of a letter of a name, pixels; an estimate that is good enough to break lines. */
const letter = 6.7

/** A name in at most two lines, broken at a hyphen or blank when it is too long for one. */
function linesOf(name, most) {
  if (name.length <= most) return [name]
  const breaks = [...name.matchAll(/[- ]/g)].map((match) => match.index + 1)
  const middle = breaks.toSorted((a, b) => Math.abs(a - name.length / 2) - Math.abs(b - name.length / 2))[0]
  return middle === undefined ? [name] : [name.slice(0, middle).trim(), name.slice(middle)]
}

export class FlowView {
  constructor(host) {
    this.host = host
    this.paused = false
    this.moving = new Set()
    this.waiting = []
    new ResizeObserver(() => this.draw()).observe(host)
    still.addEventListener('change', () => this.setPaused(this.paused))
  }

  setPaused(paused) {
    this.paused = paused
    this.svg?.classList.toggle('still', paused || still.matches)
    if (paused || still.matches) {
      for (const mover of this.moving) mover.remove()
      this.moving.clear()
      this.waiting = []
    }
  }

  update(snapshot) {
    const shape = JSON.stringify(snapshot.graph)
    if (shape !== this.shape) {
      this.shape = shape
      this.graph = snapshot.graph
      this.draw()
    }
    this.flows = snapshot.flows
    this.showRates()
    this.showTable()
    if (this.paused || still.matches || document.hidden) return
    for (const payment of snapshot.moving) if (this.waiting.length < mostMoving) this.waiting.push(payment)
    this.launch()
  }

  draw() {
    const width = Math.floor(this.host.clientWidth)
    if (this.graph === undefined || width === 0 || (width === this.width && this.shape === this.drawn)) return
    this.width = width
    this.drawn = this.shape
    this.moving.clear()
    const layout = width < 720 ? narrow(this.graph, width) : wide(this.graph, width)
    this.paths = new Map()
    const tracks = s('g', { class: 'tracks' })
    const labels = s('g', { class: 'rates' })
    for (const { edge, path, label } of layout.edges) {
      const track = s('path', { class: 'track', d: path })
      const stream = s('path', { class: 'stream', d: path })
      const text = label === null ? null : s('text', { x: label.x, y: label.y - 5, class: 'rate' })
      tracks.append(track, stream)
      if (text !== null) labels.append(text)
      this.paths.set(edgeKey(edge.from, edge.to), { edge, track, stream, text })
    }
    this.rates = new Map()
    const nodes = layout.nodes.map((place) => this.node(place, layout))
    this.layout = layout
    this.dots = s('g', { class: 'movers', 'aria-hidden': 'true' })
    this.movers = s('g', { class: 'movers', 'aria-hidden': 'true' })
    this.svg = s(
      'svg',
      {
        viewBox: `0 0 ${layout.width} ${layout.height}`,
        width: layout.width,
        height: layout.height,
        class: layout.kind,
        role: 'img',
        'aria-label': this.says(),
      },
      tracks,
      // Below the nodes: an amount passes under a gate, as water does. What it says floats above.
      this.dots,
      ...nodes,
      labels,
      this.movers,
    )
    this.host.replaceChildren(this.svg)
    this.setPaused(this.paused)
    this.showRates()
  }

  says() {
    const names = new Map(this.graph.nodes.map((node) => [node.id, node.label ?? node.id]))
    const edges = this.graph.edges.map((edge) => `${names.get(edge.from)} to ${names.get(edge.to)}`)
    return `The topology, as it describes itself: ${edges.join(', ')}.`
  }

  node({ node, x, y, width, height }, layout) {
    const name = node.label ?? node.id
    const group = s('g', { class: `node ${node.kind}`, transform: `translate(${x} ${y})` })
    group.append(s('title', {}, node.about ?? `${node.kind} ${name}`))
    if (layout.kind === 'narrow') {
      group.append(s('circle', { cx: layout.spine - x, cy: height / 2, r: node.kind === 'operator' ? 5 : 6 }))
      group.append(s('text', { x: 4, y: height / 2 + 4, class: 'name' }, name))
      const flow = s('text', { x: width, y: height / 2 + 4, class: 'rate', 'text-anchor': 'end' })
      group.append(flow)
      this.rates.set(node.id, flow)
      return group
    }
    const round = node.kind === 'topic' || node.kind === 'source' || node.kind === 'sink' ? height / 2 : 7
    group.append(s('rect', { width, height, rx: round }))
    const lines = linesOf(name, (width - 12) / letter)
    lines.forEach((line, i) => {
      const text = s(
        'text',
        { x: width / 2, y: height / 2 + 4 + (i - (lines.length - 1) / 2) * 13, class: 'name', 'text-anchor': 'middle' },
        line,
      )
      // Long words are set closer, never cut: a cut name is another name.
      if (line.length * letter > width - 12) {
        text.setAttribute('textLength', String(width - 12))
        text.setAttribute('lengthAdjust', 'spacingAndGlyphs')
      }
      group.append(text)
    })
    return group
  }

  showRates() {
    if (this.svg === undefined || this.flows === undefined) return
    const into = new Map()
    for (const { from, to, perSecond } of this.flows) {
      into.set(to, (into.get(to) ?? 0) + perSecond)
      if (!into.has(from)) into.set(from, 0)
      const path = this.paths.get(edgeKey(from, to))
      if (path === undefined) continue
      const wideness = perSecond > 0 ? 1.5 + Math.log10(1 + perSecond) : 1.5
      path.track.style.strokeWidth = `${wideness}px`
      path.stream.style.strokeWidth = `${wideness}px`
      path.stream.classList.toggle('flowing', perSecond > 0)
      if (path.text !== null) setText(path.text, perSecond > 0 ? `${rate(perSecond)}/s` : '')
    }
    for (const [id, text] of this.rates) setText(text, into.get(id) > 0 ? `${rate(into.get(id))}/s` : '')
  }

  showTable() {
    const names = new Map(this.graph.nodes.map((node) => [node.id, node.label ?? node.id]))
    keyed(
      byId('flow-table'),
      this.flows,
      (flow) => edgeKey(flow.from, flow.to),
      (flow) => {
        const cells = [h('td', { class: 'number' }), h('td', { class: 'number' })]
        const row = h(
          'tr',
          {},
          h('td', {}, names.get(flow.from) ?? flow.from),
          h('td', {}, names.get(flow.to) ?? flow.to),
        )
        row.append(...cells)
        row.update = (item) => {
          setText(cells[0], rate(item.perSecond))
          setText(cells[1], count(item.total))
        }
        return row
      },
    )
  }

  launch() {
    while (this.moving.size < mostMoving && this.waiting.length > 0) {
      const payment = this.waiting.shift()
      const legs = []
      for (let i = 1; i < payment.path.length; i++) {
        const path = this.paths?.get(edgeKey(payment.path[i - 1], payment.path[i]))
        if (path !== undefined) legs.push({ path: path.track, length: path.track.getTotalLength() })
      }
      if (legs.length > 0) this.move(payment, legs)
    }
  }

  /** Where an amount is after so many pixels; between two edges it crosses the node in a straight line. */
  static place(legs, passed) {
    let left = passed
    for (let i = 0; i < legs.length; i++) {
      if (left <= legs[i].length) return legs[i].path.getPointAtLength(left)
      left -= legs[i].length
      if (i === legs.length - 1) break
      const from = legs[i].path.getPointAtLength(legs[i].length)
      const to = legs[i + 1].path.getPointAtLength(0)
      const across = Math.hypot(to.x - from.x, to.y - from.y)
      if (left < across)
        return { x: from.x + ((to.x - from.x) * left) / across, y: from.y + ((to.y - from.y) * left) / across }
      left -= across
    }
    return null
  }

  move(payment, legs) {
    const label = money(payment.amountMinor, payment.currency)
    const anchor = this.layout.kind === 'narrow' ? 'end' : 'middle'
    const text = s('text', { 'text-anchor': anchor, class: 'mover' }, label)
    const dot = s('circle', { r: 5, class: 'mover' })
    const width = label.length * 6.4
    const mover = {
      remove() {
        text.remove()
        dot.remove()
      },
    }
    this.moving.add(mover)
    const start = Math.max(performance.now(), (this.nextStart ?? 0) + apart)
    this.nextStart = start
    const step = (now) => {
      if (!this.moving.has(mover)) return
      const passed = (Math.max(0, now - start) * pace) / 1000
      const at = FlowView.place(legs, passed)
      if (at === null) {
        mover.remove()
        this.moving.delete(mover)
        this.launch()
        return
      }
      if (now >= start) {
        const narrowly = this.layout.kind === 'narrow'
        const x = narrowly ? this.width - 62 : Math.min(this.width - width / 2, Math.max(width / 2, at.x))
        text.setAttribute('transform', `translate(${x.toFixed(1)} ${(narrowly ? at.y + 4 : at.y - 24).toFixed(1)})`)
        dot.setAttribute('transform', `translate(${at.x.toFixed(1)} ${at.y.toFixed(1)})`)
        text.style.opacity = String(Math.min(1, passed / 40))
        if (!dot.isConnected) {
          this.dots.append(dot)
          this.movers.append(text)
        }
      }
      requestAnimationFrame(step)
    }
    requestAnimationFrame(step)
  }
}
