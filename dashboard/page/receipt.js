/** One payment to its receipt: what it was, what was decided and why, where it settled. */
import { h } from './dom.js'
import { count, day, duration, instant, money, shortTime, words } from './money.js'

const stateWords = {
  queued: 'Queued: in the log, not decided yet',
  pending: 'Approved, waiting for its cycle to settle',
  settled: 'Its cycle is netted and settled',
  held: 'Held for a decision',
  declined: 'Declined',
}

const facts = (pairs) =>
  h(
    'dl',
    { class: 'facts' },
    ...pairs
      .filter(([, value]) => value !== null && value !== '')
      .map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))),
  )

function contributions({ contributions: points, score }) {
  if (points.length === 0) return h('p', { class: 'note' }, 'No rule added points.')
  const most = Math.max(...points.map((item) => Math.abs(item.points)), 1)
  return h(
    'ul',
    { class: 'contributions' },
    ...points.map(({ rule, points: value }) => {
      const bar = h('span', { class: 'bar' })
      bar.style.inlineSize = `${(Math.abs(value) / most) * 100}%`
      return h(
        'li',
        {},
        h('span', {}, words(rule)),
        h('span', { class: 'gauge', 'aria-hidden': 'true' }, bar),
        h('b', {}, value > 0 ? `+${value}` : `${value}`),
      )
    }),
    h('li', { class: 'total' }, h('span', {}, 'score'), h('span', {}), h('b', {}, String(score))),
  )
}

const featureText = (value) =>
  value === null ? 'absent' : typeof value === 'number' ? count(value).replace('-', '−') : String(value)

function receiptSection(receipt) {
  if (receipt === null) return []
  const parts = [
    h('h3', {}, 'Decision'),
    facts([
      ['Outcome', words(receipt.outcome)],
      ['Reasons', receipt.reasons.map(words).join(', ')],
      ['Rules', receipt.ruleVersion],
    ]),
  ]
  if (receipt.features !== null) {
    parts.push(h('h3', {}, 'What the rules added'), contributions(receipt))
    const list = facts(Object.entries(receipt.features).map(([name, value]) => [words(name), featureText(value)]))
    list.classList.add('features')
    parts.push(h('details', {}, h('summary', {}, 'What the rules saw'), list))
  }
  return parts
}

function settlementSection({ cycle, instructions }) {
  if (cycle === null) return []
  const span = `${day(cycle.start)} ${shortTime(cycle.start)}, ${duration(cycle.lengthMs)}${cycle.late ? ' (came late)' : ''}`
  const rows = instructions.map((item) =>
    h(
      'li',
      {},
      h('span', {}, `${item.member} ${item.direction === 'PAY' ? 'pays' : 'receives'}`),
      h('b', {}, money(item.amountMinor, item.currency)),
      h('code', {}, item.instructionId),
    ),
  )
  return [
    h('h3', {}, 'Settlement'),
    facts([['Cycle', span]]),
    rows.length > 0 && h('ul', { class: 'instructions' }, ...rows),
  ]
}

const eventWords = { HELD: 'Held', RELEASED: 'Released', REJECTED: 'Rejected', REFUSED: 'Refused' }

function historySection(events) {
  if (events.length === 0) return []
  return [
    h('h3', {}, 'History'),
    h(
      'ul',
      { class: 'history' },
      ...events.map((item) =>
        h(
          'li',
          {},
          `${instant(item.logicalTime)}: ${eventWords[item.event] ?? item.event}${item.by === '' ? '' : ` by ${item.by}`}${item.why === '' ? '' : `: ${item.why}`}`,
        ),
      ),
    ),
  ]
}

/** The whole of it as an element. */
export function receiptOf(payment) {
  return h(
    'article',
    { class: 'payment' },
    h(
      'p',
      { class: 'headline' },
      h('b', {}, money(payment.amountMinor, payment.currency)),
      h('span', { class: `tag ${payment.state}` }, payment.state),
    ),
    h('p', { class: 'note' }, stateWords[payment.state] ?? payment.state),
    facts([
      ['Payment', `${payment.producer} / ${payment.transactionId}`],
      ['Kind', words(payment.kind)],
      ['Made', instant(payment.occurredAt)],
      ['From', `${payment.payerAccount}, ${payment.payerBank}`],
      ['To', `${payment.payeeAccount}, ${payment.payeeBank}`],
      ['Merchant', payment.merchant],
      ['Country', payment.country],
      ['Returns', payment.originalTransactionId],
      ['Copies', payment.duplicates > 0 ? count(payment.duplicates) : null],
      ['Conflicts', payment.conflicts > 0 ? count(payment.conflicts) : null],
    ]),
    ...receiptSection(payment.receipt),
    ...settlementSection(payment),
    ...historySection(payment.holdEvents),
  )
}
