/** Verdicts on accepted transactions: an outcome and why, as one small integer for the hot path. */

/** Codes of the column `outcome`. */
export const outcomes = ['approved', 'held', 'declined'] as const
const APPROVED = 0
const HELD = 1
const DECLINED = 2

/** Why, by the code in column `because`; 0 is nothing to say, `rules` stands for the names of the rules that fired. */
export const becauses = [
  '',
  'rules',
  'tooLate',
  'unknownParticipant',
  'originalHeld',
  'originalUnknown',
  'returnCurrency',
  'overReturn',
  'originalDeclined',
] as const
export type Because = (typeof becauses)[number]

const verdict = (outcome: number, because: Because): number => outcome + 4 * becauses.indexOf(because)

export const approve = verdict(APPROVED, '')
export const hold = {
  byRules: verdict(HELD, 'rules'),
  tooLate: verdict(HELD, 'tooLate'),
  unknownParticipant: verdict(HELD, 'unknownParticipant'),
  originalHeld: verdict(HELD, 'originalHeld'),
  originalUnknown: verdict(HELD, 'originalUnknown'),
  returnCurrency: verdict(HELD, 'returnCurrency'),
  overReturn: verdict(HELD, 'overReturn'),
} as const
export const decline = {
  byRules: verdict(DECLINED, 'rules'),
  originalDeclined: verdict(DECLINED, 'originalDeclined'),
} as const
/** Returns are resolved against their originals in a stage of their own. */
export const returned = 3
