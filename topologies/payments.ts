/** Payments in, obligations out: what we do with every transaction of one partition. The place to start reading. */

import { accountFeatures, spendFeatures } from '../processors/account-features.ts'
import { decide as verdictOf } from '../processors/decide.ts'
import { firstRules } from '../processors/rules.ts'
import type { Settings } from '../schemas/settings.ts'
import { topics } from '../schemas/topics.ts'
import { accumulate, admit, against, controls, deduplicate, each, features, rows, score } from '../streams/index.ts'
import { decide, hold, tally, topology } from '../streams/index.ts'
import * as the from './payment-words.ts'

export const payments = (settings: Settings) =>
  topology('payments', (flow) => {
    const { events, deadLetters } = flow.from(topics.transactions, the.transactions(settings))
    deadLetters.to(topics.deadLetters, the.deadLetter)

    const received = events.pipe(
      deduplicate('seen', the.identity(settings)),
      tally('received', { by: ['novelty', 'currencyCode'], sum: 'amountMinor' }),
    )
    received.to(topics.transactionOutcomes, the.transactionOutcome)
    const { fresh, duplicate, conflicting } = received.split(the.byNovelty)
    duplicate.leave('counted, and linked to the first in transaction-outcomes')

    const decided = fresh.pipe(
      features('account', accountFeatures),
      features('spend', spendFeatures),
      score('rules', the.rules(firstRules)),
      admit('members', the.participants),
      decide('verdict', verdictOf),
      against('returns', the.returns),
      tally('decided', { by: ['outcome', 'currencyCode'], sum: 'amountMinor' }),
      tally('late', { by: ['late', 'outcome'], sum: 'amountMinor' }),
    )
    decided.to(topics.decisions, the.decision)
    const { approved, held, declined } = decided.split(the.byOutcome)

    const { out: holdEvents, released, rejected } = held.through(hold('held', the.holding(settings)))
    holdEvents.pipe(each('hold-events', the.holdEvent)).to(topics.holdEvents, the.holdEventRecord)
    rejected.pipe(tally('rejected', { by: ['currencyCode'], sum: 'amountMinor' })).leave('declined, in hold-events')

    conflicting
      .pipe(rows('conflicts', the.alertNeeds, the.conflictAlert))
      .merge(
        held.pipe(rows('held-alerts', the.alertNeeds, the.heldAlert)),
        declined.pipe(rows('declined-alerts', the.alertNeeds, the.declinedAlert)),
      )
      .to(topics.alerts, the.alert)

    const settling = released.pipe(tally('released', { by: ['currencyCode'], sum: 'amountMinor' })).merge(approved)
    const obligations = settling.pipe(accumulate('cycles', the.obligation(settings)))
    const members = events.pipe(controls('member-lists', 'member-list.v1', the.membersInForce))
    obligations.merge(members).to(topics.cyclePartials, the.partial)
  })
