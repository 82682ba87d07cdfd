/** Cycles filling, closing and settling, and where the banks stand after netting. */
import { h, keyed, setText } from './dom.js'
import { amount, count, day, money, shortTime } from './money.js'

const said = { filling: 'Filling', closing: 'Closing', settled: 'Settled' }

function cycleElement(cycle) {
  const end = cycle.start + cycle.lengthMs
  const state = h('span', { class: 'state' })
  const detail = h('span', { class: 'detail' })
  const bar = h('span', { class: 'bar' })
  const sums = h('ul', { class: 'sums' })
  const element = h(
    'li',
    { class: 'cycle' },
    h(
      'div',
      { class: 'line' },
      h(
        'time',
        { datetime: new Date(cycle.start).toISOString(), title: `${day(cycle.start)} UTC` },
        `${shortTime(cycle.start)}–${shortTime(end)}`,
      ),
      state,
      detail,
    ),
    h('div', { class: 'gauge', 'aria-hidden': 'true' }, bar),
    sums,
  )
  element.update = (item) => {
    element.dataset.state = item.state
    setText(state, said[item.state])
    const share = item.state === 'filling' ? item.share : item.state === 'closing' ? item.closedBy / item.sources : 1
    bar.style.inlineSize = `${(Math.min(1, Math.max(0, share)) * 100).toFixed(1)}%`
    const payments = item.currencies.reduce((sum, { count: n }) => sum + n, 0)
    const closed = item.state === 'closing' ? `closed by ${item.closedBy} of ${item.sources}, ` : ''
    setText(detail, `${closed}${count(payments)} ${payments === 1 ? 'payment' : 'payments'}`)
    keyed(
      sums,
      item.currencies,
      (sum) => sum.currency,
      () => {
        const line = h('li', {}, h('span', { class: 'gross' }), h('span', { class: 'net' }))
        line.update = ({ currency, grossMinor, netMinor }) => {
          setText(line.children[0], money(grossMinor, currency))
          setText(line.children[1], netMinor === null ? '' : `net ${money(netMinor, currency)}`)
        }
        return line
      },
    )
  }
  return element
}

/** Newest first; a filling one shows how much of its time has passed in stream time. */
export function showCycles(list, cycles, streamTime) {
  const items = cycles.map((cycle) => ({
    ...cycle,
    share: streamTime === null ? 0 : (streamTime - cycle.start) / cycle.lengthMs,
  }))
  if (items.length === 0)
    return list.replaceChildren(h('li', { class: 'empty' }, 'The first cycle opens with the first payment.'))
  keyed(list, items, (cycle) => `${cycle.start}`, cycleElement)
}

function bankElement() {
  const name = h('span', { class: 'bank' })
  const pay = h('span', { class: 'bar pay' })
  const receive = h('span', { class: 'bar receive' })
  const value = h('span', { class: 'value' })
  const element = h(
    'li',
    {},
    name,
    h('span', { class: 'scale', 'aria-hidden': 'true' }, h('span', {}, pay), h('span', {}, receive)),
    value,
  )
  element.update = ({ member, currency, netMinor, share }) => {
    const negative = netMinor.startsWith('-')
    setText(name, member)
    pay.style.inlineSize = negative ? `${share}%` : '0'
    receive.style.inlineSize = negative ? '0' : `${share}%`
    setText(value, netMinor === '0' ? '0' : negative ? amount(netMinor, currency) : `+${amount(netMinor, currency)}`)
    element.dataset.side = netMinor === '0' ? 'even' : negative ? 'pays' : 'receives'
  }
  return element
}

const size = (minor) => (minor < 0n ? -minor : minor)

/** Bars to the left pay, to the right receive; each currency has a scale of its own. */
export function showPositions(host, positions) {
  const groups = Map.groupBy(positions, (position) => position.currency)
  if (groups.size === 0) {
    host.replaceChildren(h('p', { class: 'empty' }, 'Positions stand here once the first cycle is settled.'))
    return
  }
  host.querySelector('.empty')?.remove()
  keyed(
    host,
    [...groups],
    ([currency]) => currency,
    ([currency]) => {
      const list = h('ul', { class: 'banks' })
      const element = h(
        'section',
        { class: 'currency', 'aria-label': `Net positions in ${currency}` },
        h(
          'h3',
          {},
          currency,
          h('span', { class: 'sides', 'aria-hidden': 'true' }, h('span', {}, 'pays'), h('span', {}, 'receives')),
        ),
        list,
      )
      element.update = ([, banks]) => {
        const largest = banks.reduce(
          (most, bank) => (size(BigInt(bank.netMinor)) > most ? size(BigInt(bank.netMinor)) : most),
          1n,
        )
        const items = banks.map((bank) => ({
          ...bank,
          share: Number((size(BigInt(bank.netMinor)) * 1000n) / largest) / 10,
        }))
        keyed(list, items, (bank) => bank.member, bankElement)
      }
      return element
    },
  )
}
