/**
 * How long a takeover takes: two workers share the line, one is killed with -9, and the clock runs from the moment in which
 * the group has given its tasks to the other to the first commit of each. Once with few keys in the state and once with
 * many: accounts are read as they are needed, so it should not matter; entries of the dedup horizon are loaded, so they do.
 */
import { specs } from './line.ts'
import { caughtUp, onLine, sleep } from './measured-line.ts'

/** Seconds from the new assignment to the first commit, per source task that moved; and from the kill to the assignment. */
export function takeover(keys: number, say: (text: string) => void): Promise<void> {
  return onLine({ name: `takeover-${keys}`, keys, say }, async ({ backend, input, start, feed }) => {
    const first = start()
    await input.append(keys)
    await caughtUp(backend)
    const second = start()
    while (second.owns.size < 2 || first.owns.size < 2) await sleep(100)
    await sleep(5_000)
    second.begun.clear()
    const held = [...second.owns]
    const moving = [...specs().keys()].filter((name) => name.startsWith('payments-') && !held.includes(name))
    const fed = feed(200, 50)
    await sleep(1_000)
    second.committed.clear()
    const killed = performance.now()
    first.process.kill('SIGKILL')
    while (!moving.every((task) => second.committed.has(task))) await sleep(10)
    await fed()
    const seconds = (from: number, to: number): string => ((to - from) / 1000).toFixed(2)
    for (const task of moving) {
      const [begun, committed] = [second.begun.get(task)!, second.committed.get(task)!]
      say(
        `keys=${keys} ${task}: from the kill to the new owner ${seconds(killed, begun)} s, ` +
          `from there to its first commit ${seconds(begun, committed)} s`,
      )
    }
  })
}
