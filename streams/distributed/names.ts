/** How tasks, writers and topics of ours are called in Kafka and Redis. */

/** Topics as Kafka allows them: letters, digits, dot, dash, underscore, at most 249 characters. */
const LEGAL = /^[A-Za-z0-9._-]{1,249}$/

/**
 * A topic's name in Kafka: itself where Kafka allows it, so that other programs find it; else its UTF-8 bytes with every
 * foreign one as _hex behind `x--`.
 */
export function topicName(prefix: string, name: string): string {
  const whole = prefix + name
  if (LEGAL.test(whole) && whole !== '.' && whole !== '..' && !whole.startsWith('x--')) return whole
  const bytes = [...Buffer.from(whole)].map((byte) => {
    const character = String.fromCharCode(byte)
    return /[A-Za-z0-9.-]/.test(character) ? character : `_${byte.toString(16).padStart(2, '0')}`
  })
  return `x--${bytes.join('')}`
}

/**
 * The ledger of committed positions is a topic that stays empty and one consumer group per writer that never has members.
 * Partition 0 carries positions of writers with input, offset = K; partition 1 those without (position -1), offset 0.
 * A group per writer needs no table of numbers, spreads over the coordinators, and `kafka-consumer-groups --describe`
 * shows one writer.
 */
export const ledgerTopic = (prefix: string): string => topicName('', `${prefix}-ledger`)
/** One partition, kept for ever: what is fixed for the line. */
export const manifestTopic = (prefix: string): string => topicName('', `${prefix}-manifest`)
export const ledgerGroup = (prefix: string, writer: string): string => `${prefix}-ledger.${writer}`
export const transactionalId = (prefix: string, writer: string): string => `${prefix}.${writer}`

/** The group that shares out tasks, and the topic of one empty partition that stands for a task in it. */
export const taskGroup = (prefix: string): string => `${prefix}-tasks`
export const taskTopic = (prefix: string, task: string): string => topicName('', `${prefix}-task.${task}`)

/** Keys of a task in Redis: one hash tag, so one slot, so one atomic script. */
export const stateKey = (prefix: string, task: string): string => {
  return `{${encodeURIComponent(prefix)}/${encodeURIComponent(task)}}`
}
