/** What the line has written in a run, read back record by record, for comparison with the oracle. */

import { records } from '../schemas/topics.ts'
import { topics } from '../schemas/topics.ts'
import { objectCodec } from '../streams/avro/object.ts'
import type { Append } from '../streams/backend.ts'
import { Adder, recordsOf, type Findings } from './oracle.ts'

interface Decision {
  readonly transactionId: string
  readonly outcome: string
  readonly score: number
  readonly cycleStart: number
  readonly features: Record<string, number | boolean | null>
}
interface Partial {
  readonly cycleStart: number
  readonly obligations: readonly { payerBank: string; payeeBank: string; currency: string; amount: bigint }[]
}

/** Reads outputs as they come; `findings` when all have. */
export class WrittenReader {
  private readonly adder = new Adder()
  private readonly decision = objectCodec<Decision>(records.decision.schema)
  private readonly partial = objectCodec<Partial>(records.cyclePartial.schema)
  private readonly outcome = objectCodec<{ outcome: string }>(records.transactionOutcome.schema)
  private received = 0
  private duplicates = 0

  read(appends: readonly Append[]): void {
    for (const { topic, batches } of appends) {
      for (const { id, value } of recordsOf(batches)) {
        if (topic === topics.transactionOutcomes.name && id === records.transactionOutcome.id) {
          this.received++
          if (this.outcome.decode(value).outcome === 'DUPLICATE') this.duplicates++
        } else if (id === records.decision.id) {
          const { transactionId, outcome, score, cycleStart, features } = this.decision.decode(value)
          this.adder.decision(transactionId, outcome, score, cycleStart, features)
        } else if (id === records.cyclePartial.id) {
          const { cycleStart, obligations } = this.partial.decode(value)
          for (const { currency, payerBank, payeeBank, amount } of obligations) {
            this.adder.obligation(cycleStart, currency, payerBank, payeeBank, amount)
          }
        }
      }
    }
  }

  findings(): Findings {
    return this.adder.findings(this.received, this.duplicates)
  }
}

/** What differs, as 'name: line / oracle'; empty when nothing does. */
export function differences(line: Findings, oracle: Findings): string[] {
  return (Object.keys(oracle) as (keyof Findings)[])
    .filter((name) => line[name] !== oracle[name])
    .map((name) => `${name}: ${line[name]} / ${oracle[name]}`)
}
