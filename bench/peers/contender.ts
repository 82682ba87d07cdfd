/** Who runs pay-1: how it is started, and how far it has come. */

import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DistributedBackend } from '../../streams/distributed/index.ts'
import type { Cluster } from '../../streams/distributed/wire/cluster.ts'
import { committedBy } from './broker.ts'
import type { OutputTopics } from './read-back.ts'
import type { BenchServices } from './services.ts'
import { tasksOf, type WorkerRun } from './worker.ts'

/** What a run needs of the world around it. */
export interface RunContext {
  readonly services: BenchServices
  readonly cluster: Cluster
  /** Log and state under the run's names. */
  readonly backend: DistributedBackend
  readonly run: string
  readonly input: string
  readonly partitions: number
}

export interface Contender {
  readonly name: string
  /** What it is, in a line. */
  readonly title: string
  /** How long its settlement windows wait for late payments. */
  readonly graceMs: number
  readonly outputs: (run: string) => OutputTopics
  /** Before it is started: topics that it does not make by itself. */
  prepare(context: RunContext): Promise<void>
  spawn(context: RunContext): ChildProcess
  /** Input records of which it has committed the results. */
  committed(context: RunContext): Promise<number>
  /** Removes what it keeps outside of topics that begin with the run's name. */
  clean(context: RunContext): Promise<void>
}

const script = fileURLToPath(new URL('worker.ts', import.meta.url))
const outputs = (run: string): OutputTopics => ({ decisions: `${run}-decisions`, settlements: `${run}-settlements` })

/** Node, with what a measurement is started with in SLUICE_BENCH_NODE (--cpu-prof, for instance). */
export function spawnWorker(given: WorkerRun): ChildProcess {
  const flags = (process.env.SLUICE_BENCH_NODE ?? '').split(' ').filter((flag) => flag !== '')
  return spawn(process.execPath, [...flags, script, JSON.stringify(given)], { stdio: ['ignore', 'pipe', 'pipe'] })
}

/** One worker process of ours on Kafka and Redis. */
export function sluiceContender(graceMs: number, task: WorkerRun['task'] = {}): Contender {
  const runOf = ({ services, run, input, partitions }: RunContext): WorkerRun => {
    const { brokers, redis } = services
    return { brokers, redis, run, partitions, work: { kind: 'pay-1', input, graceMs }, task }
  }
  return {
    name: 'sluice',
    title: `Sluice, one worker process, state on Redis, grace ${graceMs / 1000} s`,
    graceMs,
    outputs,
    prepare: () => Promise.resolve(),
    spawn: (context) => spawnWorker(runOf(context)),
    async committed(context) {
      const tasks = tasksOf(runOf(context)).filter(({ at }) => at.topic === context.input)
      const found = await Promise.all(tasks.map(({ name }) => context.backend.log.peek(name)))
      return found.reduce((sum, ledger) => sum + (ledger?.position ?? 0), 0)
    },
    async clean(context) {
      for (const { name } of tasksOf(runOf(context))) await context.backend.state.drop(name)
    },
  }
}

export interface StreamsForm {
  readonly stores: 'rocksdb' | 'memory'
  /** A window store per id, or a key-value store that is purged by the hour. */
  readonly dedup: 'window' | 'kv'
  /** Two window stores, or one entry per payer. */
  readonly velocity: 'panes' | 'blob'
}

/** Kafka Streams, exactly_once_v2, commit 100 ms, one thread. */
export function streamsContender(name: string, form: StreamsForm, graceMs: number, classPath: string): Contender {
  const states = new Map<string, string>()
  const { stores, dedup, velocity } = form
  return {
    name,
    title: `Kafka Streams 4.3.1, ${stores}, dedup ${dedup}, velocity ${velocity}, grace ${graceMs / 1000} s`,
    graceMs,
    outputs,
    prepare: ({ backend, run, partitions }) =>
      backend.log.createTopics(Object.values(outputs(run)).map((name) => ({ name, partitions }))),
    spawn({ services, run, input }) {
      // Started again after a kill it finds its state where it was.
      const state = states.get(run) ?? mkdtempSync(join(tmpdir(), 'sluice-bench-streams-'))
      states.set(run, state)
      const { decisions, settlements } = outputs(run)
      const given = { app: run, brokers: services.brokers, input, decisions, settlements, state }
      const all = { ...given, grace: String(graceMs), stores, dedup, velocity }
      const args = Object.entries(all).flatMap(([key, value]) => [`--${key}`, value])
      // One line of WARN per late record otherwise.
      const quiet = ['', '.log.org.apache.kafka.streams.kstream.internals'].map(
        (of, k) => `-Dorg.slf4j.simpleLogger${k === 0 ? '.defaultLogLevel=warn' : `${of}=error`}`,
      )
      return spawn('java', ['-Xmx4g', ...quiet, '-cp', classPath, 'peers.KafkaStreamsPeer', ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
      })
    },
    committed: ({ cluster, run, input, partitions }) => committedBy(cluster, run, input, partitions),
    async clean({ run }) {
      const state = states.get(run)
      if (state !== undefined) rmSync(state, { recursive: true, force: true })
    },
  }
}
