/** A copy never settles a second time, also where a ticker holds stream time behind the event time of the first. */

import { expect, test } from 'vitest'
import { differences, table } from '../scenarios/table.ts'

const tables = {
  'a copy a day later, of a payment that was ahead of the last tick': `
    12:00:01     -- tick --
    12:00:20     pay  P1  acc-7  bank-a -> bank-b  1.00 EUR     // stream time stays at 12:00:01
    +1d 12:00:16  -- tick --
                  settle 12:00 EUR: bank-a pays 1.00, bank-b receives 1.00
    12:00:20     pay  P1  acc-7  bank-a -> bank-b  1.00 EUR     // stream time is +1d 12:00:15
                  duplicate of 12:00:20`,

  'a copy two days after the last tick of a ticker, as an import brings it': `
    12:00:01      -- tick --
    +2d 12:00:20  pay  P1  acc-7  bank-a -> bank-b  1.00 EUR
    +2d 12:00:21  -- cycle closes --
    +2d 12:00:20  pay  P1  acc-7  bank-a -> bank-b  1.00 EUR
                  duplicate of +2d 12:00:20
    +2d 12:06:00  -- cycle closes --
                  settle +2d 12:00 EUR: bank-a pays 1.00, bank-b receives 1.00`,
}

test.each(Object.entries(tables))('%s', async (_, text) => {
  for (const manner of ['line by line', 'restarted after every line', 'as one log'] as const) {
    expect({ manner, differ: await differences(table(text), manner) }).toEqual({ manner, differ: [] })
  }
})
