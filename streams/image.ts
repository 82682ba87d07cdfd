/**
 * The image of a task's state that it took over: what is read at takeover comes from that image alone. A store that
 * falls back in between, or that another owner writes, is an error, not a mixture of two images.
 */

import type { StateHeader, TaskState } from './backend.ts'
import { CodedError, FencedError } from './errors.ts'

/** Reads of `state`, each refused unless the header is the one that acquire found. */
export function imageOf(state: TaskState, task: string): TaskState {
  const { header } = state
  const assertSame = (now: StateHeader | null): void => {
    if (header === null && now === null) return
    if (header !== null && now !== null && now.epoch > header.epoch) throw new FencedError(task)
    const same = header?.incarnation === now?.incarnation && header?.epoch === now?.epoch
    if (same && header?.position === now?.position) return
    const found = now === null ? 'no state' : `R = ${now.position}`
    throw new CodedError('SLUICE_STATE_MOVED', `${task}: ${found} while loading, expected R = ${header?.position ?? 0}`)
  }
  return {
    header,
    async read(keys) {
      const picture = await state.read(keys)
      assertSame(picture.header)
      return picture
    },
    async list(kind, prefix) {
      const picture = await state.list(kind, prefix)
      assertSame(picture.header)
      return picture
    },
    async kinds() {
      const kinds = await state.kinds()
      assertSame((await state.read([])).header)
      return kinds
    },
    scan: (kind) => state.scan(kind),
    apply: (delta) => state.apply(delta),
  }
}
