/** The page: takes each snapshot and shows it; opens receipts; releases and rejects. */
import { BalanceView, balances } from './balance.js'
import { showCycles, showPositions } from './cycles.js'
import { byId, h, setText } from './dom.js'
import { showAlerts, showHolds } from './entries.js'
import { FlowView } from './flow.js'
import { follow, lookup, resolve } from './live.js'
import { clockTime, count, day, duration, instant, money, rate, shortTime, words } from './money.js'
import { receiptOf } from './receipt.js'

const flow = new FlowView(byId('flow'))
const balance = new BalanceView(byId('balance'))
const rates = []

const states = { live: 'Live', lost: 'Connection lost, trying again…', connecting: 'Connecting…' }

function showState(state) {
  if (byId('status').dataset.state === state) return
  byId('status').dataset.state = state
  setText(byId('status'), states[state])
}

function showTime({ clock, streamTime, lagMs, lagRecords, speed }) {
  const simulated = clock === 'SIMULATED'
  setText(byId('clock-name'), simulated ? 'Simulated time' : 'Stream time')
  if (streamTime !== null) {
    byId('stream-time').dateTime = new Date(streamTime).toISOString()
    setText(byId('stream-time'), `${day(streamTime)} ${clockTime(streamTime)}`)
    setText(byId('lag'), duration(lagMs))
  }
  setText(byId('waiting'), count(lagRecords))
  byId('simulated').hidden = !simulated
  const pace = speed === 1 ? '' : `, ${rate(speed)} times as fast as the wall clock`
  setText(
    byId('simulated'),
    simulated ? `Time is simulated${pace}. Payments are made up; nothing here is real money.` : '',
  )
}

function showFigures(snapshot) {
  const { payments } = snapshot.balance
  setText(byId('figure-rate'), rate(snapshot.perSecond))
  for (const name of ['received', 'settled', 'pending', 'held']) setText(byId(`figure-${name}`), count(payments[name]))
  const right = balances(snapshot.balance)
  byId('verdict').dataset.right = String(right)
  setText(byId('figure-balanced'), right ? 'Yes' : 'No')
  rates.push(snapshot.perSecond)
  if (rates.length > 60) rates.shift()
  const most = Math.max(1, ...rates)
  const points = rates.map((value, i) => `${((i + 60 - rates.length) * 120) / 59} ${26 - (value / most) * 24}`)
  byId('spark').firstElementChild.setAttribute('d', points.length > 1 ? `M${points.join('L')}` : '')
}

/** Where the tasks run in workers, what is shown is what they have stored, and that is said. */
function showAsOf({ balance: { asOf } }) {
  byId('as-of').hidden = asOf === null
  if (asOf === null) return
  const { streamTime } = asOf
  const point = streamTime === null ? 'the beginning' : instant(streamTime)
  setText(byId('as-of'), `As of ${point}: what the workers have stored, which trails what they have done.`)
  setText(byId('balance-as-of'), streamTime === null ? '' : `as of ${clockTime(streamTime)} UTC`)
}

function showProducers({ alerts, holds }) {
  const producers = [...new Set([...alerts, ...holds].map((item) => item.producer))]
  const list = byId('producers')
  if (producers.join('\n') === list.dataset.names) return
  list.dataset.names = producers.join('\n')
  list.replaceChildren(...producers.map((name) => h('option', { value: name })))
  const input = byId('search').elements.producer
  if (input.value === '' && producers.length === 1 && document.activeElement !== input) input.value = producers[0]
}

function show(snapshot) {
  document.title = `${snapshot.title} · Sluice`
  setText(byId('title'), snapshot.title)
  showTime(snapshot.time)
  showFigures(snapshot)
  showAsOf(snapshot)
  flow.update(snapshot)
  showCycles(byId('cycles'), snapshot.cycles, snapshot.time.streamTime)
  const of = snapshot.positionsOf
  setText(byId('positions-of'), of === null ? '' : `after the cycle of ${shortTime(of)} UTC`)
  showPositions(byId('positions'), snapshot.positions)
  const shown = snapshot.holds.length
  setText(
    byId('holds-count'),
    snapshot.heldCount > shown ? `the oldest ${shown} of ${count(snapshot.heldCount)}` : shown > 0 ? count(shown) : '',
  )
  showHolds(byId('holds'), snapshot.holds, snapshot.time.streamTime, { open: openReceipt, act: openForm })
  showAlerts(byId('alerts'), snapshot.alerts, openReceipt)
  balance.update(snapshot.balance)
  showProducers(snapshot)
}

const noAnswer = 'The server did not answer. Try again.'

async function find(producer, id, ref) {
  try {
    const { status, value } = await lookup(producer, id, ref)
    if (status !== 200) return [h('p', { class: 'note' }, value.message)]
    return value.transactions.map(receiptOf)
  } catch {
    return [h('p', { class: 'note' }, noAnswer)]
  }
}

async function openReceipt({ producer, transactionId, ref }) {
  byId('receipt-body').replaceChildren(h('p', { class: 'note' }, 'Looking…'))
  byId('receipt').showModal()
  byId('receipt-body').replaceChildren(...(await find(producer, transactionId, ref)))
}

async function search({ producer, id }) {
  byId('found').replaceChildren(...(await find(producer.value.trim(), id.value.trim())))
}

byId('search').addEventListener('submit', (event) => {
  event.preventDefault()
  void search(event.target.elements)
})

const form = byId('resolve-form')
let acting = null

function openForm(action, hold) {
  acting = { action, hold }
  const verb = action === 'release' ? 'Release' : 'Reject'
  setText(byId('resolve-heading'), `${verb} ${money(hold.amountMinor, hold.currency)}`)
  setText(byId('resolve-submit'), verb)
  setText(
    byId('resolve-what'),
    `${hold.transactionId} from ${hold.payerAccount}, ${hold.payerBank} to ${hold.payeeBank}. Held: ${hold.reasons.map(words).join(', ')}.`,
  )
  const late = action === 'release' && hold.reasons.includes('tooLate')
  byId('resolve-elsewhere').hidden = !late
  form.elements.elsewhere.required = late
  form.elements.elsewhere.checked = false
  form.elements.why.value = ''
  setText(byId('resolve-error'), '')
  byId('resolve').showModal()
  const first = form.elements.by.value === '' ? form.elements.by : form.elements.why
  first.focus()
}

function done(value) {
  const messages = {
    released:
      typeof value.cycleStart !== 'number'
        ? 'Released.'
        : `Released. It joins the cycle of ${shortTime(value.cycleStart)}.`,
    rejected: 'Rejected.',
    queued: 'Written to the log; it takes effect in a moment.',
  }
  byId('resolve').close()
  setText(byId('status'), messages[value.result] ?? 'Done.')
  setTimeout(() => setText(byId('status'), states[byId('status').dataset.state]), 6000)
}

async function decide({ by, why, elsewhere }) {
  byId('resolve-submit').disabled = true
  try {
    const { status, value } = await resolve(acting.action, {
      ref: acting.hold.ref,
      by: by.value.trim(),
      why: why.value.trim(),
      notSettledElsewhere: elsewhere.checked,
    })
    if (status === 200 || status === 202) done(value)
    else setText(byId('resolve-error'), value.why ?? value.message)
  } catch {
    setText(byId('resolve-error'), noAnswer)
  } finally {
    byId('resolve-submit').disabled = false
  }
}

form.addEventListener('submit', (event) => {
  event.preventDefault()
  void decide(form.elements)
})

for (const button of document.querySelectorAll('[data-close]'))
  button.addEventListener('click', () => button.closest('dialog').close())

byId('motion').addEventListener('click', () => {
  const paused = byId('motion').getAttribute('aria-pressed') !== 'true'
  byId('motion').setAttribute('aria-pressed', String(paused))
  flow.setPaused(paused)
})

follow({ snapshot: show, state: showState })
