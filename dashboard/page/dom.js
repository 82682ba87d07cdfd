/** Elements without markup: text goes in as text only, so nothing that a payment carries can become markup. */

const svgNamespace = 'http://www.w3.org/2000/svg'

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue
    if (name === 'on') for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener)
    else element.setAttribute(name, value === true ? '' : String(value))
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false))
  return element
}

/** An HTML element with attributes (`on`: listeners) and children (nodes or texts). */
export const h = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children)

/** The same for SVG. */
export const s = (name, attributes = {}, ...children) =>
  fill(document.createElementNS(svgNamespace, name), attributes, children)

export const byId = (id) => document.getElementById(id)

/** Sets a text only where it differs: untouched nodes keep selection and cost no layout. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text
}

/**
 * Makes the children of `parent` stand for `items`, in order. Elements of the same key are kept, so that focus stays where
 * it is. `create(item)` gives an element with an `update(item)` function on it.
 */
export function keyed(parent, items, keyOf, create) {
  const keys = new Set(items.map(keyOf))
  // What goes, goes first: an element that is moved in the document loses its focus, so as few as possible are.
  for (const child of Array.from(parent.children)) if (!keys.has(child.dataset.key)) child.remove()
  const old = new Map(Array.from(parent.children, (child) => [child.dataset.key, child]))
  let place = parent.firstElementChild
  for (const item of items) {
    const key = keyOf(item)
    let child = old.get(key)
    if (child === undefined) {
      child = create(item)
      child.dataset.key = key
    }
    child.update?.(item)
    if (child === place) place = place.nextElementSibling
    else parent.insertBefore(child, place)
  }
}
