/** Netting of one cycle: gross, bilateral, multilateral; exact integers, texts in the order of their UTF-8 bytes. */

export interface CycleObligation {
  readonly payerBank: string
  readonly payeeBank: string
  readonly currency: string
  readonly count: bigint
  readonly amount: bigint
}

/** Who may take part; with anyBank (or no list) every bank is its own settlement account. */
export interface Members {
  readonly anyBank: boolean
  readonly members: readonly {
    readonly bank: string
    readonly currencies: readonly string[]
    readonly settlementAccount: string
  }[]
}

export interface CurrencySettlement {
  readonly currency: string
  readonly count: bigint
  readonly gross: bigint
  readonly onUsCount: bigint
  readonly onUs: bigint
  /** Sum of what the paying members pay. */
  readonly net: bigint
  readonly bilateral: readonly { readonly debtor: string; readonly creditor: string; readonly amount: bigint }[]
  readonly positions: readonly {
    readonly member: string
    readonly debit: bigint
    readonly credit: bigint
    readonly net: bigint
  }[]
}

const order = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

/** One settlement per currency with an obligation, by currency. On-us obligations count in gross, not in net. */
export function net(obligations: readonly CycleObligation[], members: Members | null): CurrencySettlement[] {
  const currencies = [...new Set(obligations.map((o) => o.currency))].sort(order)
  return currencies.map((currency) =>
    netCurrency(
      currency,
      obligations.filter((o) => o.currency === currency),
      members,
    ),
  )
}

function netCurrency(
  currency: string,
  obligations: readonly CycleObligation[],
  members: Members | null,
): CurrencySettlement {
  const onUs = obligations.filter((o) => o.payerBank === o.payeeBank)
  const between = obligations.filter((o) => o.payerBank !== o.payeeBank)
  const banks = new Map<string, { debit: bigint; credit: bigint }>()
  const position = (bank: string): { debit: bigint; credit: bigint } => {
    const found = banks.get(bank) ?? { debit: 0n, credit: 0n }
    banks.set(bank, found)
    return found
  }
  for (const { payerBank } of onUs) position(payerBank)
  for (const { payerBank, payeeBank, amount } of between) {
    position(payerBank).debit += amount
    position(payeeBank).credit += amount
  }
  for (const member of members?.members ?? []) if (member.currencies.includes(currency)) position(member.bank)
  const positions = [...banks]
    .map(([member, { debit, credit }]) => ({ member, debit, credit, net: credit - debit }))
    .sort((a, b) => order(a.member, b.member))
  return {
    currency,
    count: sum(obligations.map((o) => o.count)),
    gross: sum(obligations.map((o) => o.amount)),
    onUsCount: sum(onUs.map((o) => o.count)),
    onUs: sum(onUs.map((o) => o.amount)),
    net: sum(positions.map((p) => (p.net < 0n ? -p.net : 0n))),
    bilateral: bilateral(between),
    positions,
  }
}

/** Each pair of banks with an obligation between them; of a zero net the debtor is the first by bytes. */
function bilateral(between: readonly CycleObligation[]): CurrencySettlement['bilateral'] {
  const pairs = new Map<string, { low: string; high: string; lowOwes: bigint }>()
  for (const { payerBank, payeeBank, amount } of between) {
    const [low, high] = order(payerBank, payeeBank) < 0 ? [payerBank, payeeBank] : [payeeBank, payerBank]
    const key = JSON.stringify([low, high])
    const pair = pairs.get(key) ?? { low, high, lowOwes: 0n }
    pair.lowOwes += payerBank === low ? amount : -amount
    pairs.set(key, pair)
  }
  return [...pairs.values()]
    .map(({ low, high, lowOwes }) =>
      lowOwes >= 0n
        ? { debtor: low, creditor: high, amount: lowOwes }
        : { debtor: high, creditor: low, amount: -lowOwes },
    )
    .sort((a, b) => order(a.debtor, b.debtor) || order(a.creditor, b.creditor))
}

const sum = (values: readonly bigint[]): bigint => values.reduce((total, value) => total + value, 0n)

/** The account that a member's instruction pays from or receives on. */
export const settlementAccountOf = (bank: string, members: Members | null): string =>
  members?.members.find((member) => member.bank === bank)?.settlementAccount ?? bank
