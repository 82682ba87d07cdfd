/**
 * What readers of the outputs see while everything is going on: every record of every (task, topic) once, in order of its
 * number, none left out. And what was read, for the comparison with the reference at the end.
 */
import { records, topics, type RecordType, type Topic } from '../../schemas/topics.ts'
import { objectCodec } from '../../streams/avro/object.ts'
import type { Written } from '../../streams/testing.ts'
import type { Read } from './foreign.ts'

export const outputTopics: readonly Topic[] = Object.values(topics).filter(
  ({ name }: Topic) => name !== topics.transactions.name && name !== topics.imports.name,
)

const codecs = new Map(
  Object.values(records).map((type: RecordType) => [
    type.id,
    { type, codec: objectCodec<Record<string, unknown>>(type.schema) },
  ]),
)

export class Reader {
  duplicated = 0
  gaps = 0
  disorder = 0
  /** Records that are numbered, marks not. */
  records = 0
  /** The first things that were wrong, in words. */
  readonly found: string[] = []
  readonly #written = new Map<string, Written[]>()
  readonly #next = new Map<string, number>()
  /** Numbers that were jumped over and have not come since. */
  readonly #missing = new Map<string, Set<number>>()

  take(topic: string, { partition, offset, key, value }: Read): void {
    if (value === null) throw new Error(`${topic}: a record without a value`)
    const known = codecs.get(value.readInt32BE(1))
    if (known === undefined) throw new Error(`${topic}: unknown wire id ${value.readInt32BE(1)}`)
    const decoded = known.codec.decode(value.subarray(5))
    const of = `${topic}/${String(decoded.task)}`
    const next = this.#next.get(of) ?? 0
    const mark = known.type.name === records.mark.name
    const number = (mark ? decoded.nextSeq : decoded.seq) as number
    if (mark) {
      if (number > next) this.#jump(of, next, number)
      this.#next.set(of, Math.max(next, number))
    } else {
      if (number < next) return this.#again(of, number)
      if (number > next) this.#jump(of, next, number)
      this.#next.set(of, number + 1)
      this.records++
    }
    const list = this.#written.get(topic) ?? []
    this.#written.set(topic, list)
    list.push({ type: known.type.name, partition, offset, key, value: decoded })
  }

  #jump(of: string, next: number, number: number): void {
    this.gaps++
    this.#say(`${of}: number ${number} comes after ${next - 1}`)
    const missing = this.#missing.get(of) ?? new Set()
    this.#missing.set(of, missing)
    for (let each = next; each < number; each++) missing.add(each)
  }

  #again(of: string, number: number): void {
    if (this.#missing.get(of)?.delete(number) === true) {
      this.disorder++
      this.#say(`${of}: number ${number} comes late`)
    } else {
      this.duplicated++
      this.#say(`${of}: number ${number} comes twice`)
    }
  }

  #say(text: string): void {
    if (this.found.length < 20) this.found.push(text)
  }

  /** By partition, then in order. */
  written(topic: string): Written[] {
    return (this.#written.get(topic) ?? []).toSorted((a, b) => a.partition - b.partition || a.offset - b.offset)
  }
}
