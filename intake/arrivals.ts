/** What is under way: items by their time of arrival, the earliest first, of two at one time the one sent first. */

export interface Arrivals<T> {
  readonly size: number
  /** Time of arrival of the first one; Infinity when nothing is under way. */
  readonly nextAt: number
  push(at: number, item: T): void
  /** Takes the first one; undefined when nothing is under way. */
  pop(): T | undefined
}

interface Entry<T> {
  at: number
  sequence: number
  item: T
}

/** A binary heap. */
export function arrivals<T>(): Arrivals<T> {
  const heap: Entry<T>[] = []
  let sequence = 0
  const before = (a: Entry<T>, b: Entry<T>): boolean => a.at < b.at || (a.at === b.at && a.sequence < b.sequence)

  return {
    get size() {
      return heap.length
    },
    get nextAt() {
      return heap.length === 0 ? Infinity : heap[0].at
    },
    push(at, item) {
      const entry = { at, sequence: sequence++, item }
      let i = heap.length
      heap.push(entry)
      while (i > 0) {
        const parent = (i - 1) >> 1
        if (!before(entry, heap[parent])) break
        heap[i] = heap[parent]
        i = parent
      }
      heap[i] = entry
    },
    pop() {
      const first = heap[0]
      const last = heap.pop()
      if (last === undefined) return undefined
      if (heap.length === 0) return first.item
      let i = 0
      for (;;) {
        let child = 2 * i + 1
        if (child >= heap.length) break
        if (child + 1 < heap.length && before(heap[child + 1], heap[child])) child++
        if (!before(heap[child], last)) break
        heap[i] = heap[child]
        i = child
      }
      heap[i] = last
      return first.item
    },
  }
}
