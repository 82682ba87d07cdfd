/** What Linux says about processes: CPU and memory by pid, and who listens on a port. Null where /proc does not tell. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** A tick of /proc/PID/stat is 10 ms on every Linux there is (USER_HZ = 100). */
const TICK_MICROS = 10_000

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

/** User and system time of a process and its threads so far. */
export function cpuMicrosOf(pid: number | null): number | null {
  const fields = pid === null ? undefined : read(`/proc/${pid}/stat`)?.split(') ').at(-1)?.split(' ')
  return fields === undefined ? null : (Number(fields[11]) + Number(fields[12])) * TICK_MICROS
}

/** Resident memory at its highest, bytes. */
export function peakBytesOf(pid: number | null): number | null {
  const text = pid === null ? null : read(`/proc/${pid}/status`)
  const kilobytes = /^VmHWM:\s+(\d+)/m.exec(text ?? '')?.[1]
  return kilobytes === undefined ? null : Number(kilobytes) * 1024
}

/** All cores' busy time so far. */
export function machineMicros(): number | null {
  const fields = read('/proc/stat')?.split('\n')[0].trim().split(/\s+/)
  // user, nice, system, irq, softirq
  return fields === undefined ? null : [1, 2, 3, 6, 7].reduce((sum, k) => sum + Number(fields[k]), 0) * TICK_MICROS
}

/** The process that listens on a port of this machine. */
export function pidListening(port: number): number | null {
  const wanted = new Set<string>()
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of (read(table) ?? '').split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/)
      // 0A: listening.
      if (fields[3] === '0A' && Number.parseInt(fields[1].split(':')[1], 16) === port)
        wanted.add(`socket:[${fields[9]}]`)
    }
  }
  if (wanted.size === 0) return null
  for (const name of readdirSync('/proc')) {
    if (/^\d+$/.test(name) && descriptorsOf(name).some((link) => wanted.has(link))) return Number(name)
  }
  return null
}

function descriptorsOf(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((name) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${name}`)
      } catch {
        return ''
      }
    })
  } catch {
    // Another user's, or gone meanwhile.
    return []
  }
}
