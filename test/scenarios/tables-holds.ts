/** Tables of returns, holds, members and dead letters; how they are read stands in table.ts. */
export const holds: Record<string, string> = {
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
