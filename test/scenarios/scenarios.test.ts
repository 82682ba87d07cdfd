/** What becomes of payments, as tables; each is run line by line, restarted after every line, and as one log. */
import { describe, expect, it, test } from 'vitest'
import { differences, table, type Manner } from './table.ts'

const scenarios: Record<string, string> = {
  'a payment sent twice settles once': `
    12:00:01  pay  P1  acc-7  bank-a -> bank-b  100.00 EUR
    12:00:01  pay  P1  acc-7  bank-a -> bank-b  100.00 EUR     // sent twice
              duplicate of 12:00:01
    12:03:00  pay  P2  acc-9  bank-b -> bank-a   40.00 EUR
    12:05:30  -- cycle closes --
              settle 12:00 EUR: bank-a pays 60.00, bank-b receives 60.00`,

  'the same id with other content is kept apart, and settles once': `
    12:00:01  pay  P1  acc-7  bank-a -> bank-b  100.00 EUR
    12:00:01  pay  P1  acc-7  bank-a -> bank-b  100.01 EUR
              conflicting with 12:00:01
              alert conflict
    12:00:02  pay  P1  acc-7  bank-a -> bank-b  100.00 EUR     // a millisecond is content, too
              conflicting with 12:00:01
              alert conflict
    12:00:03  pay  P1  acc-8  bank-a -> bank-b    1.00 EUR     // another payer's P1 is another payment
    12:00:04  pay  P1  acc-7  bank-a -> bank-b    2.00 EUR  producer=other
    12:05:30  -- cycle closes --
              settle 12:00 EUR: bank-a pays 103.00, bank-b receives 103.00`,

  'a copy of a declined or held payment is a copy': `
    12:00:00  pay  P1  acc-7  bank-a -> bank-b   9500.00 EUR
    12:00:01  pay  P2  acc-7  bank-a -> bank-b   9500.00 EUR
    12:00:02  pay  P3  acc-7  bank-a -> bank-b   9500.00 EUR
              held structuring
              in hold P3 structuring
              alert held
    12:00:02  pay  P3  acc-7  bank-a -> bank-b   9500.00 EUR
              duplicate of 12:00:02
    12:00:03  pay  P4  acc-7  bank-a -> bank-b  21500.00 EUR
              approved spend-day
    12:00:04  pay  P5  acc-7  bank-a -> bank-b   9500.00 EUR
              declined spend-day structuring
              alert declined
    12:00:04  pay  P5  acc-7  bank-a -> bank-b   9500.00 EUR
              duplicate of 12:00:04
    12:05:30  -- cycle closes --
              settle 12:00 EUR: bank-a pays 40500.00, bank-b receives 40500.00`,

  'a late payment joins the oldest open cycle': `
    12:04:59  pay  P1  acc-7  bank-a -> bank-b  1.00 EUR
    12:05:29.999  -- cycle closes --                            // not yet: grace is 30 s
    12:04:58  pay  P2  acc-7  bank-a -> bank-b  2.00 EUR        // still in time
    12:05:30  -- cycle closes --
              settle 12:00 EUR: bank-a pays 3.00, bank-b receives 3.00
    12:04:57  pay  P3  acc-7  bank-a -> bank-b  4.00 EUR
              approved late, in 12:05
    12:30:30  -- cycle closes --
              settle 12:05 EUR: bank-a pays 4.00, bank-b receives 4.00
    12:00:00  pay  P4  acc-7  bank-a -> bank-b  8.00 EUR
              approved late, in 12:30
    12:31:00  pay  P5  acc-7  bank-a -> bank-b 16.00 EUR
    12:35:30  -- cycle closes --
              settle 12:30 EUR: bank-a pays 24.00, bank-b receives 24.00`,

  'a jump of time loses no cycle, and an empty one gives nothing': `
    12:00:00  pay  P1  acc-7  bank-a -> bank-b  1.00 EUR
    12:10:00  pay  P2  acc-8  bank-a -> bank-b  2.00 EUR
    12:20:00  pay  P3  acc-9  bank-b -> bank-a  4.00 EUR
    +3d 09:00 -- cycle closes --
              settle 12:00 EUR: bank-a pays 1.00, bank-b receives 1.00
              settle 12:10 EUR: bank-a pays 2.00, bank-b receives 2.00
              settle 12:20 EUR: bank-a receives 4.00, bank-b pays 4.00
    +3d 10:00 -- cycle closes --
    +3d 10:00:01  pay  P4  acc-7  bank-a -> bank-b  8.00 EUR
    +3d 10:05:30  -- cycle closes --
              settle +3d 10:00 EUR: bank-a pays 8.00, bank-b receives 8.00`,

  'where a ticker runs, one payment ahead closes nothing': `
    12:00:01  -- tick --
    12:00:01  pay  P1  acc-7  bank-a -> bank-b  1.00 EUR
    12:59:00  pay  P2  acc-7  bank-a -> bank-b  2.00 EUR  accepted=12:59:00   // from a clock that is ahead
    12:00:02  pay  P3  acc-7  bank-a -> bank-b  4.00 EUR                      // not late
    12:05:31  -- tick --
              settle 12:00 EUR: bank-a pays 5.00, bank-b receives 5.00
    13:00:31  -- tick --
              settle 12:55 EUR: bank-a pays 2.00, bank-b receives 2.00`,

  'without a ticker a payment moves time itself': `
    12:00:01  pay  P1  acc-7  bank-a -> bank-b  1.00 EUR
    12:59:00  pay  P2  acc-7  bank-a -> bank-b  2.00 EUR
    12:00:02  pay  P3  acc-7  bank-a -> bank-b  4.00 EUR
              approved late, in 12:55
    13:00:30  -- cycle closes --
              settle 12:00 EUR: bank-a pays 1.00, bank-b receives 1.00
              settle 12:55 EUR: bank-a pays 6.00, bank-b receives 6.00`,

  'the end of an import closes its last cycle whatever the grace': `
    12:00:01  pay  P1  acc-7  bank-a -> bank-b  1.00 EUR
    12:00:01  -- import ends --
              settle 12:00 EUR: bank-a pays 1.00, bank-b receives 1.00
    12:04:00  pay  P2  acc-7  bank-a -> bank-b  2.00 EUR        // of the next import, taken with --late
              approved late, in 12:05
    12:05:00  -- import ends --
              settle 12:05 EUR: bank-a pays 2.00, bank-b receives 2.00`,

  'what nets to zero is settled, on-us payments in gross alone, each currency by itself': `
    12:00:00  pay  P1  acc-7  bank-a -> bank-b   10.00 EUR
    12:00:01  pay  P2  acc-8  bank-b -> bank-a   10.00 EUR
    12:00:02  pay  P3  acc-7  bank-a -> bank-a    5.00 EUR      // on-us
    12:00:03  pay  P4  acc-7  bank-a -> bank-c    1000 JPY
    12:00:04  pay  P5  acc-7  bank-c -> bank-a   7.001 KWD
    12:00:05  pay  P6  acc-8  bank-c -> bank-c    2.00 USD
    12:05:30  -- cycle closes --
              settle 12:00 EUR of 25.00 gross: bank-a even, bank-b even
              settle 12:00 JPY: bank-a pays 1000, bank-c receives 1000
              settle 12:00 KWD: bank-a receives 7.001, bank-c pays 7.001
              settle 12:00 USD of 2.00 gross: bank-c even`,

  'a return turns the obligation round, in its own cycle': `
    12:00:00  pay         P1        acc-7  bank-a -> bank-b  100.00 EUR
    12:05:30  -- cycle closes --
              settle 12:00 EUR: bank-a pays 100.00, bank-b receives 100.00
    12:06:00  refund      R1 of P1  acc-7  bank-a -> bank-b   30.00 EUR
    12:06:01  chargeback  R2 of P1  acc-7  bank-a -> bank-b   70.00 EUR
    12:06:02  reversal    R3 of P1  acc-7  bank-a -> bank-b    0.01 EUR
              held overReturn
              in hold R3 overReturn
    12:10:30  -- cycle closes --
              settle 12:05 EUR: bank-a receives 100.00, bank-b pays 100.00`,

  'returns that fit no payment are held, each with its reason': `
    12:00:00  pay     P1        acc-7  bank-a -> bank-b  100.00 EUR
    12:00:01  refund  R1 of P1  acc-7  bank-a -> bank-b  100.01 EUR
              held overReturn
              in hold R1 overReturn
    12:00:02  refund  R2 of P1  acc-7  bank-a -> bank-b    1.00 USD
              held returnCurrency
              in hold R2 returnCurrency
    12:00:03  refund  R3 of P9  acc-7  bank-a -> bank-b    1.00 EUR
              held originalUnknown
              in hold R3 originalUnknown
    12:00:04  refund  R4 of P1  acc-8  bank-a -> bank-b    1.00 EUR     // another payer's P1
              held originalUnknown
              in hold R4 originalUnknown
    12:00:05  refund  R5 of P1  acc-7  bank-a -> bank-b    1.00 EUR
    12:00:06  refund  R6 of R5  acc-7  bank-a -> bank-b    1.00 EUR     // a return of a return
              held originalUnknown
              in hold R6 originalUnknown
    12:00:07  refund  R7 of R7  acc-7  bank-a -> bank-b    1.00 EUR     // of itself
              held originalUnknown
              in hold R7 originalUnknown
    12:05:30  -- cycle closes --
              settle 12:00 EUR: bank-a pays 99.00, bank-b receives 99.00`,

  'a return of a declined payment is declined': `
    12:00:00  pay     P1        acc-7  bank-a -> bank-b  30000.00 EUR
    12:00:01  pay     P2        acc-7  bank-a -> bank-b   9500.00 EUR
              held structuring
              in hold P2 structuring
              alert held
    12:00:02  pay     P3        acc-7  bank-a -> bank-b  10500.00 EUR
              approved spend-day
    12:00:03  pay     P4        acc-7  bank-a -> bank-b   9500.00 EUR
              declined spend-day structuring
              alert declined
    12:00:04  refund  R1 of P4  acc-7  bank-a -> bank-b      1.00 EUR
              declined originalDeclined`,

  'a return waits with its payment and is released with it': `
    12:00:00  pay     P1        acc-7  bank-a -> bank-b  30000.00 EUR
    12:00:01  pay     P2        acc-7  bank-a -> bank-b   9500.00 EUR
              held structuring
              in hold P2 structuring
              alert held
    12:00:02  refund  R1 of P2  acc-7  bank-a -> bank-b   4000.00 EUR
              held originalHeld
              in hold R1 originalHeld
    12:00:03  refund  R2 of P2  acc-7  bank-a -> bank-b   6000.00 EUR
              held originalHeld
              in hold R2 originalHeld
    12:00:04  refund  R3 of P2  acc-7  bank-a -> bank-b   5500.00 EUR
              held originalHeld
              in hold R3 originalHeld
    12:20:30  -- cycle closes --
              settle 12:00 EUR: bank-a pays 30000.00, bank-b receives 30000.00
    12:21:00  release P2 acc-7 as one
              released P2 into 12:20
              released R1 into 12:20
              in hold R2 overReturn
              released R3 into 12:20
    12:21:01  release P2 acc-7 as one                                   // repeated: nothing
    12:21:02  release P2 acc-7 as two
              refused P2
    12:21:03  refund  R4 of P2  acc-7  bank-a -> bank-b      0.01 EUR   // all of it is returned
              held overReturn
              in hold R4 overReturn
    12:25:30  -- cycle closes --
              settle 12:20 EUR: bank-a even, bank-b even`,

  'a return waits with its payment and is rejected with it': `
    12:00:00  pay     P1        acc-7  bank-a -> bank-b  30000.00 EUR
    12:00:01  pay     P2        acc-7  bank-a -> bank-b   9500.00 EUR
              held structuring
              in hold P2 structuring
              alert held
    12:00:02  refund  R1 of P2  acc-7  bank-a -> bank-b   4000.00 EUR
              held originalHeld
              in hold R1 originalHeld
    12:00:03  reject  P2 acc-7 as one
              rejected P2
              rejected R1
    12:00:04  refund  R2 of P2  acc-7  bank-a -> bank-b      1.00 EUR
              declined originalDeclined
    12:00:05  release R1 acc-7 as two
              refused R1
    12:05:30  -- cycle closes --
              settle 12:00 EUR: bank-a pays 30000.00, bank-b receives 30000.00`,

  'a return follows a payment that is released days later': `
    12:00:00  pay     P1        acc-7  bank-a -> bank-b  30000.00 EUR
    12:00:01  pay     P2        acc-7  bank-a -> bank-b   9500.00 EUR
              held structuring
              in hold P2 structuring
              alert held
    12:00:02  refund  R1 of P2  acc-7  bank-a -> bank-b   9500.00 EUR
              held originalHeld
              in hold R1 originalHeld
    +5d 12:00:30  -- cycle closes --
              settle 12:00 EUR: bank-a pays 30000.00, bank-b receives 30000.00
    +5d 12:01:00  release P2 acc-7 as one
              released P2 into +5d 12:00
              released R1 into +5d 12:00
    +5d 12:05:30  -- cycle closes --
              settle +5d 12:00 EUR: bank-a even, bank-b even`,

  'what an operator releases counts as returned': `
    12:00:00  pay     P1        acc-7  bank-a -> bank-b  100.00 EUR
    12:00:01  refund  R1 of P1  acc-7  bank-a -> bank-b   60.00 EUR
    12:00:02  refund  R2 of P1  acc-7  bank-a -> bank-b   60.00 EUR
              held overReturn
              in hold R2 overReturn
    12:00:03  release R2 acc-7 as one
              released R2 into 11:55                            // the oldest cycle that is open
    12:00:04  refund  R3 of P1  acc-7  bank-a -> bank-b   40.00 EUR
              held overReturn
              in hold R3 overReturn
    12:05:30  -- cycle closes --
              settle 11:55 EUR: bank-a receives 60.00, bank-b pays 60.00
              settle 12:00 EUR: bank-a pays 40.00, bank-b receives 40.00`,

  'what is too old to be checked is held, and compared with what is held': `
    +2d 12:00:30  -- cycle closes --
    12:00:00  pay  P1  acc-7  bank-a -> bank-b  1.00 EUR
              held tooLate late, in +2d 12:00
              in hold P1 tooLate
    12:00:00  pay  P1  acc-7  bank-a -> bank-b  1.00 EUR
              duplicate of +2d 12:00:30
    +4d 12:00:30  -- cycle closes --                            // its identity is forgotten, its hold is not
    12:00:00  pay  P1  acc-7  bank-a -> bank-b  1.00 EUR
              duplicate of +2d 12:00:30
    12:00:00  pay  P1  acc-7  bank-a -> bank-b  2.00 EUR
              conflicting with +2d 12:00:30
              alert conflict
    +4d 12:00:31  release P1 acc-7 as one
              refused P1
    +4d 12:00:32  release P1 acc-7 as two not settled elsewhere
              released P1 into +4d 12:00
    +4d 12:05:30  -- cycle closes --
              settle +4d 12:00 EUR: bank-a pays 1.00, bank-b receives 1.00
    12:00:00  pay  P1  acc-7  bank-a -> bank-b  1.00 EUR        // no longer held, so nothing to compare with
              held tooLate late, in +4d 12:05
              in hold P1 tooLate
    +4d 12:05:31  reject P1 acc-7 as three
              rejected P1`,

  'the horizon, to the millisecond': `
    12:00:00      pay  P1  acc-7  bank-a -> bank-b  1.00 EUR
    +1d 12:00:00  -- cycle closes --
              settle 12:00 EUR: bank-a pays 1.00, bank-b receives 1.00
    12:00:00      pay  P1  acc-7  bank-a -> bank-b  1.00 EUR        // 24 h: still known
              duplicate of 12:00:00
    12:00:00      pay  P2  acc-7  bank-a -> bank-b  2.00 EUR        // 24 h: can still be checked
              approved late, in +1d 11:55
    +1d 12:00:00.001  -- cycle closes --
    12:00:00      pay  P1  acc-7  bank-a -> bank-b  1.00 EUR
              held tooLate late, in +1d 11:55
              in hold P1 tooLate
    12:00:00.001  pay  P3  acc-7  bank-a -> bank-b  4.00 EUR
              approved late, in +1d 11:55`,

  'the member list holds strangers and foreign currencies, and lists members that stand even': `
    12:00:00  pay  P1  acc-7  bank-x -> bank-b  1.00 EUR            // before the first list everybody may
    12:00:01  members bank-a EUR USD, bank-b EUR, bank-c EUR
    12:00:02  pay  P2  acc-7  bank-a -> bank-b  2.00 EUR
    12:00:03  pay  P3  acc-7  bank-a -> bank-b  4.00 USD
              held unknownParticipant
              in hold P3 unknownParticipant
    12:00:04  pay  P4  acc-7  bank-a -> bank-x  8.00 EUR
              held unknownParticipant
              in hold P4 unknownParticipant
    12:05:30  -- cycle closes --
              settle 12:00 EUR: bank-a pays 2.00, bank-b receives 3.00, bank-c even, bank-x pays 1.00
    12:05:31  members any
    12:05:32  pay  P5  acc-7  bank-a -> bank-x  8.00 EUR
    12:05:33  release P4 acc-7 as one
              released P4 into 12:05
    12:10:30  -- cycle closes --
              settle 12:05 EUR: bank-a pays 16.00, bank-x receives 16.00`,

  'who cannot be checked is tooLate before it is a stranger': `
    12:00:00      members bank-a EUR
    +2d 12:00:30  -- cycle closes --
    12:00:00      pay     P1        acc-7  bank-x -> bank-y  1.00 EUR
              held tooLate late, in +2d 12:00
              in hold P1 tooLate
    +2d 12:00:31  refund  R1 of P1  acc-7  bank-x -> bank-y  1.00 EUR
              held unknownParticipant
              in hold R1 unknownParticipant`,

  'a hold is resolved once': `
    12:00:00  pay     P1  acc-7  bank-a -> bank-b  30000.00 EUR
    12:00:01  pay     P2  acc-7  bank-a -> bank-b   9500.00 EUR
              held structuring
              in hold P2 structuring
              alert held
    12:00:02  release P9 acc-7 as none                             // nothing of that name
              refused P9
    12:00:03  reject  P2 acc-7 as one
              rejected P2
    12:00:04  release P2 acc-7 as one                              // the same resolution again, whatever it says
    12:00:05  release P2 acc-7 as two
              refused P2
    +1d 12:00:01  -- cycle closes --                              // 24 h of stream time after 12:00:01
              settle 12:00 EUR: bank-a pays 30000.00, bank-b receives 30000.00
    +1d 12:00:04  release P2 acc-7 as one                          // remembered for the horizon
    +1d 12:00:02  -- cycle closes --
    +1d 12:00:05  release P2 acc-7 as one
              refused P2`,

  'what cannot be used is kept with its reason, and moves nothing': `
    12:00:00  pay  P0  acc-7  bank-a -> bank-b  1.00 EUR
    12:30:00  pay  P1  acc-7  bank-a -> bank-b  1.00 EUR  producer=
              dead invalid-producer
    12:30:00  pay  P2  acc-7  bank-a -> bank-b  1.00 EUR  id=
              dead invalid-transaction-id
    12:30:00  pay  P3  acc-7  bank-a -> bank-b  1.00 EUR  account=
              dead invalid-payer-account
    12:30:00  pay  P4  acc-7  bank-a -> bank-b  1.00 EUR  payee=
              dead invalid-payee-account
    12:30:00  pay  P5  acc-7  bank-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa -> bank-b  1.00 EUR
              dead invalid-payer-bank
    12:30:00  pay  P6  acc-7  bank-a -> bank-bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb  1.00 EUR
              dead invalid-payee-bank
    12:30:00  pay  P7  acc-7  bank-a -> bank-b  1.00 EUR  merchant=mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm
              dead invalid-merchant
    12:30:00  pay  P8  acc-7  bank-a -> bank-b  1.00 EUR  country=cz
              dead invalid-country
    12:30:00  pay  P9  acc-7  bank-a -> bank-b  1.00 EUX
              dead invalid-currency
    12:30:00  pay  P10 acc-7  bank-a -> bank-b  1.00 EUR  minor=0
              dead invalid-amount
    12:30:00  pay  P11 acc-7  bank-a -> bank-b  1.00 EUR  minor=-1
              dead invalid-amount
    12:30:00  pay  P12 acc-7  bank-a -> bank-b  1.00 EUR  minor=9007199254740994
              dead invalid-amount
    12:30:00  refund P13 acc-7  bank-a -> bank-b  1.00 EUR
              dead invalid-original
    1989-12-31 23:59:59.999  pay P14 acc-7 bank-a -> bank-b  1.00 EUR
              dead time-too-early
    12:30:00  pay  P15 acc-7  bank-a -> bank-b  1.00 EUR  accepted=12:29:29.999
              dead time-too-late
    12:30:00  pay  P16 acc-7  bank-a -> bank-b  1.00 EUR  key=acc-8
              dead misrouted-key
    12:30:00  pay  P17 acc-7  bank-a -> bank-b  1.00 EUR  partition=1
              dead misrouted-partition
    12:30:00  unreadable csv-quote
              dead csv-quote
    12:00:01  pay  P18 acc-7  bank-a -> bank-b  1.00 EUR           // nothing of that has moved time
    12:30:00  pay  P19 acc-7  bank-a -> bank-b  1.00 EUR  accepted=12:29:30`,
}

const manners: Manner[] = ['line by line', 'restarted after every line', 'as one log']

describe.each(manners)('%s', (manner) => {
  test.each(Object.entries(scenarios))('%s', async (_, text) => {
    expect(await differences(table(text), manner)).toEqual([])
  })
})

it('a wrong table shows', async () => {
  const [first] = Object.values(scenarios)
  const wrong: [string, string, string][] = [
    ['duplicate of 12:00:01', 'approved', "expected 'approved'"],
    ['bank-a pays 60.00', 'bank-a pays 60.01', "was 'settle 12:00 EUR: bank-a pays 60.00"],
    ['40.00 EUR', '40.00 EUR\n held tooLate', "expected 'held tooLate'"],
    ['duplicate of 12:00:01', '', 'nobody expected'],
  ]
  for (const [right, other, said] of wrong) {
    expect(first).toContain(right)
    for (const manner of manners) {
      const found = await differences(table(first.replace(right, other)), manner)
      if (manner === 'line by line' || right !== 'bank-a pays 60.00') expect(found.join('\n')).not.toBe('')
      if (manner === 'line by line' && other !== '') expect(found.join('\n')).toContain(said)
    }
  }
})
