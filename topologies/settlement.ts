/** Obligations in, settlements and instructions out: a cycle is settled when every source task has closed it. */

import type { Settings } from '../schemas/settings.ts'
import { topics } from '../schemas/topics.ts'
import { complete, each, topology, totals } from '../streams/index.ts'
import * as the from './settlement-words.ts'

export const settlement = (settings: Settings) =>
  topology('settlement', (flow) => {
    const { events, deadLetters } = flow.from(topics.cyclePartials, the.partials)
    deadLetters.leave('this topic is our own: what cannot be read there halts the task')

    const netted = events.pipe(complete('merge', the.byCounting(settings)), each('net', the.netting))
    netted.pipe(each('settled-sums', the.settledTotals), totals('settled')).leave('counted for the balance sheet')
    netted.pipe(each('settlements', the.settlements(settings))).to(topics.settlements, the.settlementRecord)
    netted.pipe(each('instructions', the.instructions(settings))).to(topics.instructions, the.instructionRecord)
  })
