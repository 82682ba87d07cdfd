/** The known name that somebody most likely meant. */

/** Insertions, removals and exchanges that make one text of another. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length]
}

/** Null when nothing known is within `mostSlips`; an exact match in another case counts as near. */
export function nearest(name: string, known: Iterable<string>, mostSlips: number): string | null {
  let best: string | null = null
  let least = mostSlips + 1
  for (const one of known) {
    const slips = distance(name.toLowerCase(), one.toLowerCase())
    if (slips < least) [best, least] = [one, slips]
  }
  return best
}
