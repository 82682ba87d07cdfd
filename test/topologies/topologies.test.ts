/** Both topologies as they describe themselves, short enough to be read at a glance; and what a wrong one is told. */
import { readFileSync } from 'node:fs'
import { expect, it, test } from 'vitest'
import { defaultSettings } from '../../schemas/settings.ts'
import { describe as inWords, graphOf, mermaid } from '../../streams/describe.ts'
import type { OperatorSpec } from '../../streams/operator.ts'
import { topology, TopologyError } from '../../streams/topology.ts'
import { payments } from '../../topologies/payments.ts'
import { settlement } from '../../topologies/settlement.ts'

const both = [payments(defaultSettings), settlement(defaultSettings)] as const

test.each(['payments', 'settlement'])('topologies/%s.ts is read at a glance', (name) => {
  const lines = readFileSync(`topologies/${name}.ts`, 'utf8').trimEnd().split('\n')
  expect(lines.length).toBeLessThanOrEqual(60)
})

it('describe themselves', async () => {
  await expect(inWords(...both)).toMatchFileSnapshot('snapshots/topologies.txt')
  await expect(mermaid(...both)).toMatchFileSnapshot('snapshots/topologies.mmd')
  for (const one of both) {
    const { nodes, edges } = graphOf(one)
    const ids = new Set(nodes.map(({ id }) => id))
    for (const { from, to } of edges) expect(ids.has(from) && ids.has(to)).toBe(true)
  }
})

const operator = (name: string, more: Partial<OperatorSpec> = {}): OperatorSpec => ({
  word: 'map',
  name,
  needs: [],
  adds: [],
  stores: [],
  uses: [],
  ports: ['out'],
  emits: 'batch',
  create: () => ({ process: () => undefined }),
  ...more,
})
const topic = { name: 'in', partitions: 'input' } as const
const out = { name: 'out', partitions: 'one' } as const
const source = { objects: true, columns: [], records: [] } as const
const sink = { objects: true, needs: [], records: [], key: null } as const
const columns = payments(defaultSettings).source.spec

it('says everything that is wrong with a topology at once, in its own words', () => {
  let error: TopologyError | null = null
  try {
    topology('Bad Name', (flow) => {
      const { events } = flow.from(topic, columns)
      const one = events.pipe(operator('one', { needs: ['colour'], stores: ['kept'], uses: ['nowhere'] }))
      one.pipe(operator('one', { stores: ['kept'] })).to(out, sink)
      one.to(out, sink)
      one.through(operator('two', { ports: ['out', 'rest'] }))
      flow.from(topic, source).deadLetters.leave('ours')
    })
  } catch (thrown) {
    error = thrown as TopologyError
  }
  expect(error).toBeInstanceOf(TopologyError)
  expect(error!.faults).toEqual([
    "its name 'Bad Name' must be lower case letters, digits and dashes",
    'it reads from 2 topics; a task reads exactly one',
    "map 'one' and map 'one' have the same name",
    "topic 'out' is written twice: merge the streams before .to(), so that their order is one",
    "map 'one' reads 'colour', which nothing before it gives",
    "store 'kept' is kept twice (again by map 'one')",
    "map 'one' uses store 'nowhere', which no operator keeps",
    "'deadLetters' of source 'in' goes nowhere: write it to a topic, or say .leave(why)",
    "'out' of map 'two' goes nowhere: write it to a topic, or say .leave(why)",
    "'rest' of map 'two' goes nowhere: write it to a topic, or say .leave(why)",
    "'events' of source 'in' goes nowhere: write it to a topic, or say .leave(why)",
  ])
  for (const fault of error!.faults) expect(error!.message).toContain(fault)
})

it('a topology is a value: building it twice gives the same, and nothing runs', () => {
  const again = payments(defaultSettings)
  expect(inWords(again)).toBe(inWords(both[0]))
  expect(Object.isFrozen(again)).toBe(true)
})
