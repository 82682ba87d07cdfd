/**
 * How long tasks stop when workers come and go: those that stay with their worker, and those that move. Two workers run
 * under steady input; a third one joins, leaves in order, joins again, and is killed with -9.
 */
import { caughtUp, onLine, sleep, type Watched } from './measured-line.ts'

const WATCHED_MS = 10_000

/** Pauses between commits, in ms, of what stays and of what moves. */
export function rebalance(say: (text: string) => void): Promise<void> {
  return onLine({ name: 'rebalance', keys: 10_000, say }, async ({ backend, input, start, feed }) => {
    const workers = [start(), start()]
    await input.append(10_000)
    await caughtUp(backend)
    const fed = feed(100, 20)
    while (workers.some(({ owns }) => owns.size < 2)) await sleep(100)
    await sleep(WATCHED_MS)
    const watch = async (what: string, change: () => void): Promise<void> => {
      const from = performance.now()
      change()
      await sleep(WATCHED_MS)
      say(`${what}: ${pauses(workers, from)}`)
    }
    let third: Watched | null = null
    const join = (): void => void workers.push((third = start()))
    await watch('nobody comes or goes', () => undefined)
    await watch('a worker joins', join)
    await watch('it leaves in order', () => third!.process.kill('SIGTERM'))
    await watch('a worker joins', join)
    await watch('it is killed', () => third!.process.kill('SIGKILL'))
    await fed()
  })
}

/** The longest pause between two commits of a task since then: of those that had one owner, and of those that had more. */
function pauses(workers: readonly Watched[], from: number): string {
  const [stay, move] = [[] as number[], [] as number[]]
  const tasks = new Set(
    workers.flatMap(({ commits }) => [...commits.keys()]).filter((task) => task.startsWith('payments-')),
  )
  for (const task of tasks) {
    const before = workers.flatMap(({ commits }) => commits.get(task) ?? []).filter((at) => at < from)
    // The last one before the change, too: its owner may have gone with it.
    const last = Math.max(...before)
    const since = workers.map(({ commits }) => (commits.get(task) ?? []).filter((at) => at >= last))
    const all = since.flat().sort((a, b) => a - b)
    const longest = Math.max(...all.slice(1).map((at, index) => at - all[index]))
    const list = since.filter((commits) => commits.length > 0).length > 1 ? move : stay
    list.push(longest)
  }
  const said = (list: readonly number[]): string =>
    list.length === 0 ? 'none' : `${list.length}, longest pause ${list.map((ms) => Math.round(ms)).join(', ')} ms`
  return `tasks that stay: ${said(stay)}; tasks that move: ${said(move)}`
}
