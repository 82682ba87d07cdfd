/** CPU by stage: the sampling profiler of the engine, its samples added up by the file in which they fell. */

import { Session } from 'node:inspector/promises'

export interface Stage {
  readonly stage: string
  /** Share of the samples, 0 to 1. */
  readonly share: number
}

/** First match wins. Files that several stages call (hashes, arenas) count for the caller. */
const stages: readonly [RegExp, string][] = [
  [/streams\/records\.ts$/, 'walk record batches, checksum'],
  [/compiled\/decode|streams\/avro\/decode/, 'decode'],
  [/streams\/(event-reader|checks|stream-time)\.ts$/, 'check, clock, steps'],
  [/streams\/(deduplicate|seen)\.ts$/, 'deduplicate'],
  [/streams\/keys\.ts$|streams\/features\/keyed\.ts$/, 'features: find keys'],
  [/streams\/features\/panes\.ts$/, 'features: counts and sums'],
  [/streams\/features\/distinct\.ts$/, 'features: distinct values'],
  [/compiled\/fold|streams\/features\/fold\.ts$|processors\/(history|travel)/, 'features: history and travel'],
  [/streams\/features\//, 'features: other'],
  [
    /compiled\/(rules|verdict)|streams\/(score|admit|decide|against|tally)\.ts$|processors\//,
    'rules, verdict, tallies',
  ],
  [/streams\/accumulate\.ts$/, 'accumulate obligations'],
  [/streams\/digest\.ts$/, 'digest of outputs'],
  [/compiled\/encode|streams\/(output|avro\/encode)|topologies\/payment-words/, 'encode outputs'],
  [/streams\/record-writer\.ts$/, 'write record batches, checksum'],
  [/streams\/(hold|held|items)\.ts$|streams\/avro\/object\.ts$/, 'holds and alerts'],
]

/** Runs `work` under the profiler and says where its CPU went, largest first. */
export async function stagesOf(work: () => Promise<unknown>): Promise<Stage[]> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: 500 })
  await session.post('Profiler.start')
  await work()
  const { profile } = await session.post('Profiler.stop')
  session.disconnect()
  const stageOfNode = new Map<number, string>()
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]))
  const visit = (id: number, above: string): void => {
    const node = nodes.get(id)
    if (node === undefined) return
    const { functionName, url } = node.callFrame
    const own = stages.find(([pattern]) => pattern.test(url))?.[1]
    const stage = functionName === '(garbage collector)' ? 'garbage collection' : (own ?? above)
    stageOfNode.set(id, stage)
    for (const child of node.children ?? []) visit(child, stage)
  }
  for (const { id, callFrame } of profile.nodes) if (callFrame.functionName === '(root)') visit(id, 'other')
  const spent = new Map<string, number>()
  let total = 0
  profile.samples?.forEach((id, i) => {
    if (nodes.get(id)?.callFrame.functionName === '(idle)') return
    const took = profile.timeDeltas?.[i] ?? 0
    const stage = stageOfNode.get(id) ?? 'other'
    spent.set(stage, (spent.get(stage) ?? 0) + took)
    total += took
  })
  return [...spent].map(([stage, took]) => ({ stage, share: took / total })).sort((a, b) => b.share - a.share)
}
