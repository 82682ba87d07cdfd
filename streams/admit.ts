/** admit: may these parties take part? By a list that control records replace; before the first list everybody may. */

import type { TaskState } from './backend.ts'
import type { Batch } from './batch.ts'
import { codeColumn } from './features/aggregate.ts'
import { KeyIndex } from './keys.ts'
import type { OperatorSpec } from './operator.ts'
import type { DeltaBuilder, Store } from './store.ts'

export interface Admit {
  /** Text columns of the parties, and of the unit (currency) that each must be allowed. */
  readonly parties: readonly string[]
  readonly unit: string
  /** Control record: { anyBank, members: [{ bank, currencies }] }. */
  readonly control: string
}

export interface MemberList {
  readonly version: string
  readonly anyBank: boolean
  readonly members: readonly {
    readonly bank: string
    readonly currencies: readonly string[]
    readonly settlementAccount: string
  }[]
}

/** Adds `admitted`: 1 when all parties may settle in the unit. */
export function admit(name: string, spec: Admit): OperatorSpec {
  return {
    word: 'admit',
    name,
    needs: [...spec.parties, spec.unit],
    adds: ['admitted'],
    stores: [name],
    uses: [],
    ports: ['out'],
    emits: 'batch',
    create(context) {
      const store = new MemberStore(name)
      context.stores.set(name, store)
      return {
        process(input, emit) {
          store.judge(input as Batch, spec)
          emit('out', input)
        },
        control(control) {
          if (control.type === spec.control) store.replace(control.value as unknown as MemberList)
        },
      }
    },
  }
}

export class MemberStore implements Store {
  readonly name: string
  dirtyEntries = 0
  list: MemberList = { version: '', anyBank: true, members: [] }
  private allowed = new KeyIndex(64)
  private key = new Uint8Array(1024)

  constructor(name: string) {
    this.name = name
  }

  replace(list: MemberList): void {
    this.list = list
    this.dirtyEntries = 1
    this.allowed = new KeyIndex(64)
    for (const { bank, currencies } of list.members) {
      for (const currency of currencies) {
        const key = new TextEncoder().encode(`${currency}\0${bank}`)
        this.allowed.intern(key, 0, key.length)
      }
    }
  }

  judge(batch: Batch, spec: Admit): void {
    const admitted = codeColumn(batch, 'admitted')
    const { selection, count } = batch
    for (let i = 0; i < count; i++) admitted[selection[i]] = 1
    if (this.list.anyBank) return
    const unit = batch.text(spec.unit)
    for (const name of spec.parties) {
      const { bytes, offsets, lengths } = batch.text(name)
      for (let i = 0; i < count; i++) {
        const row = selection[i]
        const prefix = unit.lengths[row] + 1
        this.key.set(unit.bytes.subarray(unit.offsets[row], unit.offsets[row] + prefix - 1))
        this.key[prefix - 1] = 0
        this.key.set(bytes.subarray(offsets[row], offsets[row] + lengths[row]), prefix)
        if (this.allowed.find(this.key, 0, prefix + lengths[row]) < 0) admitted[row] = 0
      }
    }
  }

  async load(state: TaskState): Promise<void> {
    const [entry] = (await state.list(this.name)).entries
    if (entry !== undefined) this.replace(JSON.parse(new TextDecoder().decode(entry.value)) as MemberList)
    this.dirtyEntries = 0
  }

  save(delta: DeltaBuilder): void {
    if (this.dirtyEntries === 0) return
    delta.put(this.name, new TextEncoder().encode('list'), new TextEncoder().encode(JSON.stringify(this.list)))
    this.dirtyEntries = 0
  }
}
