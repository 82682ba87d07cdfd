/** A small scripted world for the page: a graph, cycles that fill, close and settle, alerts, holds, a balance sheet. */
import type { AsOf, CycleView, Graph, HoldView, Snapshot } from '../../dashboard/snapshot.ts'

const cycleMs = 300_000
export const noon = Date.UTC(2026, 0, 5, 12, 0, 0)

export const graph: Graph = {
  nodes: [
    { id: 'transactions', kind: 'topic', about: 'Everything that comes in, in order, by payer account.' },
    { id: 'readable', kind: 'split', topology: 'payments', about: 'What cannot be read or is not valid goes aside.' },
    { id: 'seen', label: 'deduplicate', kind: 'operator', topology: 'payments', stores: ['seen'] },
    { id: 'velocity', label: 'features', kind: 'operator', topology: 'payments', stores: ['velocity'] },
    { id: 'rules', label: 'decide', kind: 'operator', topology: 'payments' },
    { id: 'returns', kind: 'operator', topology: 'payments', stores: ['returns'] },
    { id: 'outcome', kind: 'split', topology: 'payments' },
    { id: 'cycle', label: 'accumulate', kind: 'operator', topology: 'payments', stores: ['cycle'] },
    { id: 'dead-letters', kind: 'topic' },
    { id: 'transaction-outcomes', kind: 'topic' },
    { id: 'decisions', kind: 'topic' },
    { id: 'hold-events', kind: 'topic' },
    { id: 'alerts', kind: 'topic' },
    { id: 'cycle-partials', kind: 'topic' },
    { id: 'merge', kind: 'operator', topology: 'settlement' },
    { id: 'net', kind: 'operator', topology: 'settlement' },
    { id: 'settlements', kind: 'topic' },
    { id: 'instructions', kind: 'topic' },
  ],
  edges: [
    { from: 'transactions', to: 'readable' },
    { from: 'readable', to: 'dead-letters', label: 'DEAD' },
    { from: 'readable', to: 'seen', label: 'VALID' },
    { from: 'seen', to: 'transaction-outcomes' },
    { from: 'seen', to: 'velocity', label: 'ACCEPTED' },
    { from: 'velocity', to: 'rules' },
    { from: 'rules', to: 'returns' },
    { from: 'returns', to: 'outcome' },
    { from: 'returns', to: 'decisions' },
    { from: 'outcome', to: 'cycle', label: 'APPROVE' },
    { from: 'outcome', to: 'hold-events', label: 'HOLD' },
    { from: 'outcome', to: 'alerts', label: 'DECLINE' },
    { from: 'cycle', to: 'cycle-partials' },
    { from: 'cycle-partials', to: 'merge' },
    { from: 'merge', to: 'net' },
    { from: 'net', to: 'settlements' },
    { from: 'net', to: 'instructions' },
  ],
}

const approved = [
  'transactions',
  'readable',
  'seen',
  'velocity',
  'rules',
  'returns',
  'outcome',
  'cycle',
  'cycle-partials',
]

export const firstHold: HoldView = {
  producer: 'shop',
  payerAccount: 'DE-44556677',
  transactionId: 'HOLD-1',
  kind: 'PAYMENT',
  payerBank: 'bank-a',
  payeeBank: 'bank-c',
  amountMinor: '1250000',
  currency: 'EUR',
  reasons: ['amountAgainstHistory', 'velocityHour'],
  occurredAt: noon - 45_000,
  heldAt: noon - 44_000,
}

const share = (edge: { to: string }): number =>
  ({
    'dead-letters': 0.01,
    'hold-events': 0.02,
    alerts: 0.01,
    merge: 0.004,
    net: 0.002,
    settlements: 0.002,
    instructions: 0.008,
  })[edge.to] ?? 1

/** The world after `step` steps of a second; holds can be taken out. */
export class World {
  step = 0
  holds: HoldView[] = [
    firstHold,
    {
      ...firstHold,
      transactionId: 'HOLD-2',
      payerAccount: 'DE-99887766',
      kind: 'REFUND',
      amountMinor: '4210',
      reasons: ['tooLate'],
      heldAt: noon - 4_000_000,
    },
  ]
  clock: Snapshot['time']['clock'] = 'SIMULATED'
  balanced = true
  asOf: AsOf | null = null
  hostile = ''

  private cycles(streamTime: number): CycleView[] {
    const current = Math.floor(streamTime / cycleMs) * cycleMs
    return Array.from({ length: 5 }, (_, i) => {
      const start = current - i * cycleMs
      const state = i === 0 ? 'filling' : i === 1 ? 'closing' : 'settled'
      const count = i === 0 ? 120 + this.step * 13 : 2417 - i * 31
      return {
        start,
        lengthMs: cycleMs,
        state,
        closedBy: i === 0 ? 0 : i === 1 ? 3 : 4,
        sources: 4,
        currencies: [
          {
            currency: 'CZK',
            count: count * 2,
            grossMinor: String(count * 2_300_771),
            netMinor: i > 1 ? '71883400' : null,
          },
          { currency: 'EUR', count, grossMinor: String(count * 118_305), netMinor: i > 1 ? '18264120' : null },
          { currency: 'JPY', count: 40, grossMinor: String(count * 3_100), netMinor: i > 1 ? '904100' : null },
        ],
      }
    })
  }

  snapshot(): Snapshot {
    const streamTime = noon + 92_000 + this.step * 2_000
    const settled = 61_204 + this.step * 100
    const pending = 4_812
    const held = this.holds.length
    const accepted = settled + pending + held + 37
    return {
      title: 'Payments in, settlements out',
      graph,
      flows: graph.edges.map((edge) => ({
        from: edge.from,
        to: edge.to,
        perSecond: share(edge) * (1_180 + 60 * Math.sin(this.step)),
        total: Math.round(share(edge) * 66_000),
      })),
      moving: [
        { amountMinor: '125050', currency: 'EUR', path: approved },
        { amountMinor: '42000', currency: 'JPY', path: approved },
        { amountMinor: '1250000', currency: 'EUR', path: [...approved.slice(0, 7), 'hold-events'] },
      ],
      time: { clock: this.clock, streamTime, now: streamTime + 1_250, lagRecords: 312, lagMs: 1_250, speed: 60 },
      perSecond: 1_180 + 60 * Math.sin(this.step),
      cycles: this.cycles(streamTime),
      positionsOf: noon - 600_000,
      positions: [
        { member: 'bank-a', currency: 'CZK', netMinor: '-71883400' },
        { member: 'bank-b', currency: 'CZK', netMinor: '51880000' },
        { member: 'bank-c', currency: 'CZK', netMinor: '20003400' },
        { member: 'bank-a', currency: 'EUR', netMinor: String(18_264_120 + this.step) },
        { member: 'bank-b', currency: 'EUR', netMinor: '-6020000' },
        { member: 'bank-c', currency: 'EUR', netMinor: '0' },
        { member: 'bank-d', currency: 'EUR', netMinor: String(-12_244_120 - this.step) },
        { member: 'bank-a', currency: 'JPY', netMinor: '904100' },
        { member: 'bank-c', currency: 'JPY', netMinor: '-904100' },
      ],
      alerts: Array.from({ length: 6 + Math.min(this.step, 4) }, (_, i) => ({
        id: String(100 - i),
        alert: (['HELD', 'DECLINED', 'CONFLICT'] as const)[i % 3],
        producer: 'shop',
        payerAccount: `DE-1234567${i}`,
        transactionId: `P-${4711 + i}${this.hostile}`,
        occurredAt: streamTime - i * 7_000,
        amountMinor: String(91_240 * (i + 1)),
        currency: 'EUR',
        score: i % 3 === 2 ? 0 : 74 - i,
        reasons: i % 3 === 2 ? ['otherContent'] : ['cardTesting', 'geoVelocity'],
      })),
      holds: this.holds,
      heldCount: held,
      balance: {
        asOf: this.asOf,
        payments: {
          received: accepted + 1_300 + 12 + 60 + 4,
          accepted,
          duplicate: 1_300,
          conflicting: 12,
          late: 41,
          held,
          declined: this.balanced ? 37 : 36,
          deadLetters: 60,
          skipped: 4,
          settled,
          pending,
        },
        currencies: {
          CZK: { grossMinor: '11130221400', netMinor: '1371883400', instructions: 84 },
          EUR: { grossMinor: '2411830500', netMinor: '218264120', instructions: 91 },
          JPY: { grossMinor: '7412100', netMinor: '904100', instructions: 30 },
        },
        heldMinor: { EUR: '1254210' },
        balanced: this.balanced,
      },
    }
  }
}
