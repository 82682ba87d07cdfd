/** Tables of copies, conflicts, lateness, time and cycles; how they are read stands in table.ts. */
export const cycles: Record<string, string> = {
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
}
