/** A group of the members of one process: every task has exactly one member that wants it, spread evenly, sticky. */
import type { Group } from '../backend.ts'

interface Member {
  readonly tasks: ReadonlySet<string>
  readonly held: Set<string>
  assigned(task: string): void
  revoked(task: string): Promise<void>
}

/** Changes happen one after the other: a task is revoked from one member, and awaited, before another gets it. */
export function localGroup(): Group {
  const members = new Set<Member>()
  let change: Promise<void> = Promise.resolve()

  function wanted(): Map<Member, Set<string>> {
    const shares = new Map([...members].map((member) => [member, new Set<string>()]))
    const tasks = [...new Set([...members].flatMap((member) => [...member.tasks]))].sort()
    const waiting: string[] = []
    for (const task of tasks) {
      const candidates = [...members].filter((member) => member.tasks.has(task))
      const holder = candidates.find((member) => member.held.has(task))
      const limit = Math.ceil(tasks.length / members.size)
      if (holder !== undefined && shares.get(holder)!.size < limit) shares.get(holder)!.add(task)
      else waiting.push(task)
    }
    for (const task of waiting) {
      const candidates = [...members].filter((member) => member.tasks.has(task))
      candidates.sort((a, b) => shares.get(a)!.size - shares.get(b)!.size)
      shares.get(candidates[0])!.add(task)
    }
    return shares
  }

  async function rebalance(): Promise<void> {
    const shares = wanted()
    const revoked = [...shares].flatMap(([member, share]) => {
      return [...member.held].filter((task) => !share.has(task)).map((task) => ({ member, task }))
    })
    await Promise.all(
      revoked.map(async ({ member, task }) => {
        await member.revoked(task)
        member.held.delete(task)
      }),
    )
    for (const [member, share] of shares) {
      for (const task of share) {
        if (member.held.has(task)) continue
        member.held.add(task)
        member.assigned(task)
      }
    }
  }

  function next(step: () => Promise<void>): Promise<void> {
    const done = change.then(step)
    // A member's failing callback is that member's error; the group goes on.
    change = done.catch(() => undefined)
    return done
  }

  return {
    async join(tasks, on) {
      const member: Member = {
        tasks: new Set(tasks),
        held: new Set(),
        assigned: (task) => on.assigned(task),
        revoked: (task) => on.revoked(task),
      }
      await next(async () => {
        members.add(member)
        await rebalance()
      })
      return {
        confirmed: async (task) => {
          await change
          return member.held.has(task)
        },
        leave: () =>
          next(async () => {
            if (!members.delete(member)) return
            const held = [...member.held]
            member.held.clear()
            await Promise.all(held.map((task) => member.revoked(task)))
            await rebalance()
          }),
      }
    },
  }
}
