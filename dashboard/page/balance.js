/** The balance sheet: two identities that must hold, added up again here, and the money per currency. */
import { h, setText } from './dom.js'
import { amount, count } from './money.js'

const identities = [
  {
    whole: 'received',
    parts: ['accepted', 'duplicate', 'conflicting', 'deadLetters', 'skipped'],
  },
  { whole: 'accepted', parts: ['settled', 'pending', 'held', 'declined'] },
]
const names = { deadLetters: 'dead letters' }
const nameOf = (field) => names[field] ?? field

/** True when the parts add up to the whole. */
const adds = (payments, { whole, parts }) => payments[whole] === parts.reduce((sum, part) => sum + payments[part], 0)

/** True when both identities hold here and the server says that what is paid equals what is received. */
export const balances = (balance) =>
  balance.balanced && identities.every((identity) => adds(balance.payments, identity))

function identityElement({ whole, parts }) {
  const total = h('b', {})
  const check = h('span', { class: 'check' })
  const segments = parts.map((part) => h('span', { class: `segment ${part}` }))
  const numbers = parts.map(() => h('dd', {}))
  const element = h(
    'div',
    { class: 'identity' },
    h('p', { class: 'line' }, h('span', {}, total, ` ${whole}`), check),
    h('div', { class: 'stack', 'aria-hidden': 'true' }, ...segments),
    h('dl', {}, ...parts.map((part, i) => h('div', {}, h('dt', { class: part }, nameOf(part)), numbers[i]))),
  )
  element.update = (payments) => {
    setText(total, count(payments[whole]))
    const right = adds(payments, { whole, parts })
    setText(check, right ? '✓ adds up' : '✗ does not add up')
    check.dataset.right = String(right)
    parts.forEach((part, i) => {
      setText(numbers[i], count(payments[part]))
      segments[i].style.flexGrow = String(payments[part])
    })
  }
  return element
}

export class BalanceView {
  constructor(host) {
    this.identities = identities.map(identityElement)
    this.late = h('p', { class: 'note' })
    this.rows = h('tbody', {})
    const head = ['Currency', 'Gross', 'Net', 'Instructions', 'Held'].map((name, i) =>
      h('th', { scope: 'col', class: i > 0 && 'number' }, name),
    )
    const scroll = { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Money per currency' }
    const table = h('table', {}, h('thead', {}, h('tr', {}, ...head)), this.rows)
    host.append(...this.identities, this.late, h('div', scroll, table))
  }

  update(balance) {
    for (const element of this.identities) element.update(balance.payments)
    const { late } = balance.payments
    setText(
      this.late,
      late === 0 ? 'None came late.' : `${count(late)} of the accepted came late and joined a later cycle.`,
    )
    const currencies = new Set([...Object.keys(balance.currencies), ...Object.keys(balance.heldMinor)])
    const cells = [...currencies].toSorted().map((currency) => {
      const { grossMinor = '0', netMinor = '0', instructions = 0 } = balance.currencies[currency] ?? {}
      const held = balance.heldMinor[currency] ?? '0'
      return [
        currency,
        amount(grossMinor, currency),
        amount(netMinor, currency),
        count(instructions),
        amount(held, currency),
      ]
    })
    const shape = cells.length === this.rows.children.length
    if (!shape)
      this.rows.replaceChildren(
        ...cells.map(() =>
          h('tr', {}, h('th', { scope: 'row' }), ...Array.from({ length: 4 }, () => h('td', { class: 'number' }))),
        ),
      )
    cells.forEach((texts, row) => texts.forEach((text, i) => setText(this.rows.children[row].children[i], text)))
  }
}
