/** What every group promises: each task is run by somebody, and by one member at a time as far as the group knows. */
import { expect, it } from 'vitest'
import type { Group } from '../../streams/backend.ts'
import type { Tools } from './suite.ts'

/** A member that notes what it holds; giving a task up takes it a moment, in which nobody else may have it. */
async function member(
  group: Group,
  tasks: string[],
  holders: Map<string, string>,
  name: string,
): Promise<{ held: Set<string>; leave(): Promise<void> }> {
  const held = new Set<string>()
  const membership = await group.join(tasks, {
    assigned(task) {
      expect(holders.get(task), `${task} is with two members`).toBeUndefined()
      holders.set(task, name)
      held.add(task)
    },
    async revoked(task) {
      await new Promise((resolve) => setTimeout(resolve, 5))
      holders.delete(task)
      held.delete(task)
    },
  })
  return { held, leave: () => membership.leave() }
}

async function settled(check: () => boolean): Promise<void> {
  for (let wait = 0; wait < 3000 && !check(); wait++) await new Promise((resolve) => setTimeout(resolve, 10))
  expect(check()).toBe(true)
}

export function groupRules({ subject, fresh }: Tools): void {
  it('gives all tasks to one member, shares them with a second, and gives them back when it leaves', async () => {
    const { group } = subject().backend
    const tasks = Array.from({ length: 5 }, () => fresh('task'))
    const holders = new Map<string, string>()
    const first = await member(group, tasks, holders, 'first')
    expect([...first.held].sort()).toEqual([...tasks].sort())
    const second = await member(group, tasks, holders, 'second')
    await settled(() => first.held.size + second.held.size === 5 && second.held.size >= 2 && first.held.size >= 2)
    await first.leave()
    await settled(() => second.held.size === 5)
    expect(first.held.size).toBe(0)
    await second.leave()
    expect(holders.size).toBe(0)
  })
}
