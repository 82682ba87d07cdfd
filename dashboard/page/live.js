/** The connection to the server: snapshots by server-sent events, questions and decisions by fetch. */

const token = document.querySelector('meta[name="sluice-token"]').content

/** After a restart the server has another token: this page could look but not act, so it is loaded again. */
async function reloadWhenRestarted() {
  const page = await fetch('/').then((response) => response.text())
  if (!page.includes(token)) location.reload()
}

/** Follows the snapshots. `state` hears live and lost; the browser reconnects by itself. */
export function follow({ snapshot, state }) {
  const source = new EventSource('/v1/events')
  let lost = false
  source.addEventListener('open', () => {
    state('live')
    // When the page cannot be fetched the stream is about to break again, and that is said by it.
    if (lost) reloadWhenRestarted().catch(() => {})
    lost = false
  })
  source.addEventListener('snapshot', (event) => {
    state('live')
    snapshot(JSON.parse(event.data))
  })
  source.addEventListener('error', () => {
    state('lost')
    lost = true
    // After an answer that is no stream the browser gives up; a restarted server is worth another try.
    if (source.readyState !== EventSource.CLOSED) return
    source.close()
    setTimeout(() => follow({ snapshot, state }), 2000)
  })
}

async function ask(path, options = {}) {
  const response = await fetch(path, {
    ...options,
    headers: { ...options.headers, 'x-sluice-token': token, accept: 'application/json' },
  })
  const value = await response.json()
  return { status: response.status, value }
}

/** What is known of a payment; `ref` stands for an account number that the page was not shown. */
export function lookup(producer, id, ref) {
  const path = `/v1/transactions/${encodeURIComponent(producer)}/${encodeURIComponent(id)}`
  return ask(ref === undefined ? path : `${path}?ref=${encodeURIComponent(ref)}`)
}

/** Releases or rejects a held transaction. */
export const resolve = (action, body) =>
  ask(`/v1/holds/${action}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
