/** Alerts and holds: who, how much, why, and the buttons to act. */
import { h, keyed, setText } from './dom.js'
import { duration, instant, money, words } from './money.js'

const alertWords = { HELD: 'Held', DECLINED: 'Declined', CONFLICT: 'Conflict' }

const reasonList = (reasons) =>
  h('ul', { class: 'reasons', 'aria-label': 'Reasons' }, ...reasons.map((reason) => h('li', {}, words(reason))))

const paymentButton = (item, open) =>
  h(
    'button',
    { type: 'button', class: 'link', title: 'Show the receipt', on: { click: () => open(item) } },
    item.transactionId,
  )

/** Newest first. `open(item)` shows the receipt. */
export function showAlerts(list, alerts, open) {
  if (alerts.length === 0) return list.replaceChildren(h('li', { class: 'empty' }, 'Nothing has raised an alert.'))
  keyed(
    list,
    alerts,
    (alert) => `${alert.id}`,
    (alert) =>
      h(
        'li',
        { class: 'entry' },
        h(
          'div',
          { class: 'line' },
          h('span', { class: `tag ${alert.alert.toLowerCase()}` }, alertWords[alert.alert] ?? alert.alert),
          h('span', { class: 'sum' }, money(alert.amountMinor, alert.currency)),
          h(
            'time',
            { datetime: new Date(alert.occurredAt).toISOString(), title: instant(alert.occurredAt) },
            instant(alert.occurredAt).slice(11, 19),
          ),
        ),
        h(
          'p',
          { class: 'who' },
          paymentButton(alert, open),
          ` from ${alert.payerAccount}`,
          alert.score > 0 ? `, score ${alert.score}` : '',
        ),
        reasonList(alert.reasons),
      ),
  )
}

/** Oldest first. `act(action, hold)` opens the form. */
export function showHolds(list, holds, streamTime, { open, act }) {
  if (holds.length === 0) return list.replaceChildren(h('li', { class: 'empty' }, 'Nothing is held.'))
  keyed(
    list,
    holds,
    (hold) => hold.ref,
    (hold) => {
      const age = h('span', { class: 'age' })
      const name = `${hold.transactionId}, ${money(hold.amountMinor, hold.currency)}`
      const button = (action, label, kind) =>
        h(
          'button',
          { type: 'button', class: kind, 'aria-label': `${label} ${name}`, on: { click: () => act(action, hold) } },
          label,
        )
      const element = h(
        'li',
        { class: 'entry hold' },
        h('div', { class: 'line' }, h('span', { class: 'sum' }, money(hold.amountMinor, hold.currency)), age),
        h(
          'p',
          { class: 'who' },
          paymentButton(hold, open),
          ` ${words(hold.kind)} from ${hold.payerAccount}, ${hold.payerBank} to ${hold.payeeBank}`,
        ),
        reasonList(hold.reasons),
        h(
          'div',
          { class: 'actions' },
          button('release', 'Release', 'small'),
          button('reject', 'Reject', 'small quiet'),
        ),
      )
      element.update = (item) => {
        if (streamTime !== null) setText(age, `held ${duration(streamTime - item.heldAt)}`)
      }
      return element
    },
  )
}
