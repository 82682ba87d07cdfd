/** Releases and rejections of held transactions, and of the returns that wait for them. */
import {
  heldUnder,
  identityText,
  known,
  originalIdentityOf,
  owe,
  tell,
  whyNotReturn,
  type HeldTransaction,
  type SourceTask,
} from './state.ts'
import type { Resolution } from './types.ts'

/** Carries out a resolution; a repeated one changes nothing, one that cannot be carried out is refused. */
export function resolve(task: SourceTask, resolution: Resolution): void {
  const { resolutionId, action, producer, payerAccount, transactionId } = resolution
  const seenAt = task.resolutionsSeenAt.get(resolutionId)
  if (seenAt !== undefined && task.streamTime - seenAt <= task.settings.dedupHorizonMs) return
  task.resolutionsSeenAt.set(resolutionId, task.streamTime)

  const identity = identityText(producer, payerAccount, transactionId)
  const held = heldUnder(task, identity)
  if (held === undefined) return refuse(task, resolution, [], 'nothing is held under this identity')
  if (held.reasons[0] === 'tooLate' && action === 'RELEASE' && !resolution.notSettledElsewhere) {
    return refuse(task, resolution, held.reasons, 'it was not said that it is not settled elsewhere')
  }

  const waiting = task.held.filter(
    (one) => one.reasons[0] === 'originalHeld' && originalIdentityOf(one.transaction) === identity,
  )
  if (action === 'REJECT') {
    for (const one of [held, ...waiting]) finish(task, one, resolution)
    return
  }
  if (held.entry.isReturn) {
    const original = known(task, originalIdentityOf(held.transaction))
    if (original !== null && !original.isReturn) original.returned += BigInt(held.transaction.amountMinor)
  }
  finish(task, held, resolution)
  for (const one of waiting) {
    const why = whyNotReturn(one.transaction, held.entry)
    if (why === null) {
      held.entry.returned += BigInt(one.transaction.amountMinor)
      finish(task, one, resolution)
    } else {
      one.reasons = [why]
      tell(task, 'HELD', one, null, null)
    }
  }
}

/** Ends a hold as the resolution says. A released one joins the oldest cycle that is open at the resolution. */
function finish(task: SourceTask, held: HeldTransaction, resolution: Resolution): void {
  task.held.splice(task.held.indexOf(held), 1)
  if (resolution.action === 'REJECT') {
    held.entry.outcome = 'declined'
    task.rejected++
    tell(task, 'REJECTED', held, resolution, null)
  } else {
    held.entry.outcome = 'approved'
    owe(task, held.transaction, task.closedThrough)
    tell(task, 'RELEASED', held, resolution, task.closedThrough)
  }
}

function refuse(task: SourceTask, resolution: Resolution, reasons: string[], why: string): void {
  const { resolutionId, by, notSettledElsewhere, producer, payerAccount, transactionId } = resolution
  task.holdEvents.push({
    task: task.task,
    logicalTime: task.streamTime,
    event: 'REFUSED',
    resolutionId,
    by,
    why,
    reasons,
    notSettledElsewhere,
    producer,
    payerAccount,
    transactionId,
    originalCycleStart: null,
    cycleStart: null,
    transaction: null,
  })
}
