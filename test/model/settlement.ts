/** The settlement task of the model: obligations of cycles that all source tasks have closed, netted. */
import { instructionId } from '../../schemas/ids.ts'
import type { Settings } from '../../schemas/settings.ts'
import type { Instruction, MemberList, Obligation, Settlement } from './types.ts'

/** Texts in the order of their UTF-8 bytes. */
export const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

/**
 * Settles one cycle: a settlement for each currency with an obligation, an instruction for each member with a net
 * position.
 */
export function settleCycle(
  cycleStart: number,
  obligations: readonly Obligation[],
  list: MemberList | null,
  settings: Settings,
): { settlements: Settlement[]; instructions: Instruction[] } {
  const settlements: Settlement[] = []
  const instructions: Instruction[] = []
  for (const currency of [...new Set(obligations.map((o) => o.currency))].sort(byBytes)) {
    const settlement = net(
      cycleStart,
      currency,
      obligations.filter((o) => o.currency === currency),
      list,
    )
    settlements.push(settlement)
    for (const { member, net } of settlement.positions) {
      if (net === 0n) continue
      instructions.push({
        instructionId: instructionId(settings.scheme, cycleStart, settings.cycleMs, member, currency),
        cycleStart,
        member,
        currency,
        direction: net < 0n ? 'PAY' : 'RECEIVE',
        amount: net < 0n ? -net : net,
        settlementAccount: list?.members.find(({ bank }) => bank === member)?.settlementAccount ?? member,
      })
    }
  }
  return { settlements, instructions }
}

function net(
  cycleStart: number,
  currency: string,
  obligations: readonly Obligation[],
  list: MemberList | null,
): Settlement {
  const sum = (some: readonly Obligation[]): bigint => some.reduce((s, o) => s + BigInt(o.amountMinor), 0n)
  const onUs = obligations.filter((o) => o.payerBank === o.payeeBank)
  const between = obligations.filter((o) => o.payerBank !== o.payeeBank)

  const may = list?.members.filter(({ currencies }) => currencies.includes(currency)).map(({ bank }) => bank) ?? []
  const members = [...new Set([...may, ...obligations.flatMap((o) => [o.payerBank, o.payeeBank])])].sort(byBytes)
  const positions = members.map((member) => {
    const debit = sum(between.filter((o) => o.payerBank === member))
    const credit = sum(between.filter((o) => o.payeeBank === member))
    return { member, debit, credit, net: credit - debit }
  })

  const bilateral: Settlement['bilateral'] = []
  for (const first of members) {
    for (const second of members) {
      if (byBytes(first, second) >= 0) continue
      const owed = between.filter((o) => o.payerBank === first && o.payeeBank === second)
      const back = between.filter((o) => o.payerBank === second && o.payeeBank === first)
      if (owed.length + back.length === 0) continue
      const amount = sum(owed) - sum(back)
      bilateral.push(
        amount >= 0n
          ? { debtor: first, creditor: second, amount }
          : { debtor: second, creditor: first, amount: -amount },
      )
    }
  }
  bilateral.sort((a, b) => byBytes(a.debtor, b.debtor) || byBytes(a.creditor, b.creditor))

  return {
    cycleStart,
    currency,
    count: obligations.length,
    gross: sum(obligations),
    onUsCount: onUs.length,
    onUs: sum(onUs),
    net: positions.reduce((s, { net }) => (net < 0n ? s - net : s), 0n),
    bilateral,
    positions,
  }
}
