/** The member list: from a file, written into every partition as a control record when it is not the one in force. */

import { readFileSync } from 'node:fs'
import { objectCodec, wire } from '../streams/avro/object.ts'
import { MemberStore, type MemberList } from '../streams/index.ts'
import { RecordBatchWriter } from '../streams/records.ts'
import { pinnedIds } from '../streams/schema-ids.ts'
import { exponentOf, noCurrency } from '../schemas/currencies.ts'
import { records, topics } from '../schemas/topics.ts'
import type { Line } from './engine.ts'
import type { LineView } from './line-view.ts'
import { UsageError } from './output.ts'
import { store } from './sheet.ts'

/** Every bank is a member: the default of `run` and `demo`. */
export const anyBank: MemberList = { version: 'any', anyBank: true, members: [] }

/** Reads a list: { "version": "...", "members": [{ "bank", "currencies": [...], "settlementAccount" }] }; 'any' is any. */
export function readMembers(path: string): MemberList {
  if (path === 'any') return anyBank
  let list: { version?: unknown; members?: unknown }
  try {
    list = JSON.parse(readFileSync(path, 'utf8')) as typeof list
  } catch (error) {
    throw new UsageError(`--members ${path}: ${(error as Error).message}`)
  }
  const faults: string[] = []
  if (typeof list.version !== 'string' || list.version === '') faults.push('version: a name for this list')
  const members = Array.isArray(list.members) ? (list.members as Record<string, unknown>[]) : []
  if (members.length === 0) faults.push('members: at least one')
  const seen = new Set<unknown>()
  members.forEach(({ bank, currencies, settlementAccount }, i) => {
    if (typeof bank !== 'string' || bank === '' || Array.from(bank).length > 64)
      faults.push(`members[${i}].bank: 1 to 64 characters`)
    if (seen.has(bank)) faults.push(`members[${i}].bank: ${String(bank)} is listed twice`)
    seen.add(bank)
    if (!Array.isArray(currencies) || currencies.length === 0) faults.push(`members[${i}].currencies: at least one`)
    else {
      for (const code of currencies as unknown[]) {
        if (typeof code !== 'string' || exponentOf(code) === noCurrency)
          faults.push(`members[${i}].currencies: ${String(code)} is not ISO 4217`)
      }
    }
    if (typeof settlementAccount !== 'string' || settlementAccount === '')
      faults.push(`members[${i}].settlementAccount: a text`)
  })
  if (faults.length > 0) throw new UsageError(`--members ${path}:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`)
  const sorted = [...members].sort((a, b) =>
    Buffer.compare(Buffer.from(a.bank as string), Buffer.from(b.bank as string)),
  )
  return { version: list.version as string, anyBank: false, members: sorted as unknown as MemberList['members'] }
}

/** The list in force in the first source task; null before the first one. */
export function membersInForce(engine: LineView): MemberList | null {
  const { list } = store(engine.tasks[0], 'members', MemberStore)
  return list.version === '' ? null : list
}

/** Writes the list into every partition when another one is in force. Resolves when it is durable. */
export async function putMembers(engine: LineView, list: MemberList, acceptedAt: number): Promise<boolean> {
  await engine.caughtUp()
  if (isInForce(engine, list)) return false
  await appendMembers(engine.line, list, acceptedAt)
  return true
}

export const isInForce = (engine: LineView, list: MemberList): boolean =>
  JSON.stringify(membersInForce(engine)) === JSON.stringify(list)

/** Writes the list into every partition. Resolves when it is durable. */
export async function appendMembers(line: Line, list: MemberList, acceptedAt: number): Promise<void> {
  const { backend, settings, schemas = pinnedIds } = line
  const value = wire(schemas.idOf(records.memberList), objectCodec<MemberList>(records.memberList.schema).encode(list))
  const appends = Array.from({ length: settings.partitions }, (_, partition) => {
    const writer = new RecordBatchWriter()
    writer.begin(acceptedAt)
    writer.append(acceptedAt, null, 0, 0, value)
    return { topic: topics.transactions.name, partition, batches: writer.finish() }
  })
  const writer = await backend.log.writer('control')
  try {
    await writer.commit({ appends, position: writer.committed?.position ?? 0, metadata: '' })
  } finally {
    await writer.close()
  }
}
