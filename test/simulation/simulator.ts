/**
 * Runs the real tasks over the in-memory backend while processes die, messages are lost, owners are stolen from and
 * states fall back; then an auditor, the model, checks every cent. All of it is drawn from one seed.
 */
import type { Random } from '../../intake/random.ts'
import { seeded } from '../../intake/random.ts'
import { records, topics } from '../../schemas/topics.ts'
import type { Settings } from '../../schemas/settings.ts'
import { CodedError } from '../../streams/errors.ts'
import type { Faulty, Moment, Fault } from '../../streams/memory/index.ts'
import { Task, type TaskOptions } from '../../streams/task.ts'
import type { Topology } from '../../streams/topology.ts'
import { payments } from '../../topologies/payments.ts'
import { settlement } from '../../topologies/settlement.ts'
import { settle } from '../model/settle.ts'
import { audit, disagreements } from './agree.ts'
import { openSimulatedKafka, type Rules, type SimulatedBroker, type SimulatedKafka } from './broker.ts'
import { openLine, runLine, type Line } from './line.ts'
import { randomLog, simulatedRules, simulatedSettings } from './random-log.ts'

export interface Simulation {
  readonly seed: number
  /** About so many records. */
  readonly size?: number
  readonly faulty?: Faulty
  /** The topologies that run; the reference and the model are those of the product. */
  readonly topologies?: (settings: Settings) => readonly Topology[]
  /** No faults: batches and interleaving alone. */
  readonly calm?: boolean
  /** Faults are so many times as frequent; 1. */
  readonly trouble?: number
  /** The log behaves as Kafka does, with these safeguards of its writers left out. */
  readonly kafka?: Rules & { readonly losesMarkers?: boolean }
}

export interface Simulated {
  /** What the auditor found; empty when all is well. */
  readonly troubles: string[]
  /** How often each thing happened. */
  readonly happened: ReadonlyMap<string, number>
}

/** What a task may die of when the world is unkind. Anything else is an alarm of the engine. */
const unkind = new Set<string>([
  'SLUICE_CLOSED',
  'SLUICE_STORE_UNREACHABLE',
  'SLUICE_BROKER_FAILED',
  'SLUICE_FENCED',
  'SLUICE_WRITER_BROKEN',
  'SLUICE_STATE_MOVED',
])
/** A world that cannot come to an end in so many lives is a trouble of its own. */
const LIVES = 400

export async function simulate(simulation: Simulation): Promise<Simulated> {
  const random = seeded(simulation.seed)
  const settings = { ...simulatedSettings, partitions: 1 + random.below(3) }
  const log = randomLog(random, simulation.size ?? 150, settings)
  const world = new SimulatedWorld(simulation, random, settings)
  try {
    await world.live(log)
  } catch (error) {
    world.trouble(error)
  }
  return { troubles: world.troubles, happened: world.happened }
}

class SimulatedWorld {
  readonly troubles: string[] = []
  readonly happened = new Map<string, number>()
  private readonly simulation: Simulation
  private readonly random: Random
  private readonly settings: Settings
  /** Faults happen; off while records are sent, and at the end. */
  private unkind = false
  private line: Line | null = null
  private kafka: SimulatedKafka | null = null

  constructor(simulation: Simulation, random: Random, settings: Settings) {
    this.simulation = simulation
    this.random = random
    this.settings = settings
  }

  async live(log: ReturnType<typeof randomLog>): Promise<void> {
    const { random, settings, simulation } = this
    const memory = { faulty: simulation.faulty, watch: (moment: Moment) => this.at(moment) }
    const { kafka } = simulation
    if (kafka !== undefined) {
      const delay = (): number => (this.unkind && random.chance(0.3) ? random.below(12) : random.below(3))
      this.kafka = openSimulatedKafka({ ...memory, rules: kafka, losesMarkers: kafka.losesMarkers, delay })
    }
    const backend = this.kafka ?? undefined
    const copies = kafka?.losesMarkers === true ? 'dropped' : undefined
    const line = await openLine({ settings, rules: simulatedRules, memory, backend, copies })
    this.line = line
    const sent = log.map(() => 0)
    for (let lives = 0; log.some((some, p) => sent[p] < some.length); lives++) {
      if (lives > LIVES) throw new Error(`after ${LIVES} lives the log is not processed`)
      for (const [p, some] of log.entries()) {
        const piece = some.slice(sent[p], sent[p] + random.below(40))
        await line.append(p, piece, 1 + random.below(20))
        sent[p] += piece.length
      }
      this.unkind = simulation.calm !== true
      // Two generations at once: the older one does not know yet that it was replaced.
      const generations = this.unkind && random.chance(this.kafka === null ? 0.2 : 0.5) ? 2 : 1
      await Promise.all(Array.from({ length: generations }, (_, n) => this.generation(n * random.below(6))))
      this.unkind = false
      if (random.chance(0.5)) this.crash()
      if (this.troubles.length > 0) return
    }
    await this.end(log, line)
  }

  /** Everything once more in peace, then the auditor. */
  private async end(log: ReturnType<typeof randomLog>, line: Line): Promise<void> {
    const { settings, simulation } = this
    this.crash()
    const last = this.tasks()
    for (const task of last) {
      await task.recover()
      await task.catchUp()
      await this.kafka?.log.complete()
    }
    const result = await line.read()
    const model = settle(log, settings, simulatedRules)
    this.troubles.push(...disagreements(result, model), ...audit(result, log))
    if (!model.balance.balanced) this.troubles.push('the model does not balance')
    const reference = await runLine(log, { settings, rules: simulatedRules })
    const expected = reference.line.driver.digests()
    for (const task of last) {
      for (const { destination, digest } of task.processor.graph.outputs) {
        const name = `${task.name} ${destination.topic}`
        if (digest.toString() !== expected.get(name)) this.troubles.push(`another digest of ${name}`)
      }
    }
    if (simulation.topologies === undefined && last.some((task) => task.stored > task.committed)) {
      this.troubles.push('a state stands for more than was committed')
    }
  }

  /** One life of all tasks, side by side; each works until nothing more comes in or something happens to it. */
  private async generation(delay: number): Promise<void> {
    for (let turn = 0; turn < delay; turn++) await new Promise((resolve) => setImmediate(resolve))
    const work = this.tasks().map(async (task) => {
      await task.recover()
      this.count('recoveries')
      if (task.reprocessed > 0) this.count('recoveries with rows processed again')
      await task.catchUp()
      await task.catchUp()
    })
    for (const ended of await Promise.allSettled(work)) {
      if (ended.status === 'rejected') this.died(ended.reason)
    }
  }

  private tasks(): Task[] {
    const { settings, simulation, random } = this
    const line = this.line as Line
    const topologies = simulation.topologies?.(settings) ?? [payments(settings), settlement(settings)]
    const task = (topology: Topology, partition: number): Task => {
      const options: TaskOptions = {
        topology,
        name: `${topology.name}-${partition}`,
        at: { topic: topology.source.topic.name, partition },
        partitions: settings.partitions,
        backend: line.backend,
        hashKey: new Int32Array([1, 2, 3, 4]),
        markOf: (topic) => (topic === topics.cyclePartials.name ? null : records.mark),
        batchRows: [1, 3, 7, 100, undefined][random.below(5)],
        fetchBytes: [1, 500, 100_000][random.below(3)],
        deltaEntries: [1, 5, 1_000][random.below(3)],
      }
      return new Task(options)
    }
    return topologies.flatMap((topology) =>
      Array.from({ length: topology.source.topic.partitions === 'one' ? 1 : settings.partitions }, (_, partition) =>
        task(topology, partition),
      ),
    )
  }

  private async at(moment: Moment): Promise<Fault | void> {
    if (!this.unkind || moment.who.startsWith('sender-')) return
    const { random } = this
    const backend = (this.line as Line).backend
    while (random.chance(0.3)) await new Promise((resolve) => setImmediate(resolve))
    if (this.kafka !== null) await this.atKafka(moment, this.kafka.log)
    if (!this.unkind) return
    const drawn = random.uniform() / (this.simulation.trouble ?? 1)
    if (drawn < 0.004) {
      this.count(`crash at ${moment.step}`)
      if (random.chance(0.5)) this.crash()
      return 'crash'
    }
    if (drawn < 0.012 && moment.step !== 'fetch') {
      this.count(`lost at ${moment.step}`)
      return 'lost'
    }
    if (moment.step !== 'read-state' && moment.step !== 'before-delta' && moment.step !== 'before-append') return
    const task = moment.who
    if (drawn < 0.016) {
      this.count('fenced')
      backend.fence(task)
    } else if (drawn < 0.02) {
      this.count('stolen')
      backend.stealState(task)
    } else if (drawn < 0.035) {
      this.count('fell back')
      backend.fallBack(task, 1 + random.below(3))
    } else if (drawn < 0.037) {
      this.count('state lost')
      backend.loseState(task)
    } else if (drawn < 0.055 && moment.step === 'before-delta') {
      const fault = drawn < 0.045 ? 'late' : 'twice'
      this.count(`${fault} delta`)
      return fault
    }
  }

  /** What only a cluster does: zombies that sleep long, brokers that crash, a coordinator that loses patience. */
  private async atKafka({ step }: Moment, broker: SimulatedBroker): Promise<void> {
    const { random } = this
    const drawn = random.uniform()
    if (drawn < 0.004 && step !== 'fetch') {
      this.count(`asleep at ${step}`)
      for (let turns = 50 + random.below(300); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve))
    } else if (drawn < 0.008) {
      this.count('brokers crashed')
      broker.crash()
    } else if (drawn < 0.014) {
      this.count('given up by the coordinator', broker.giveUpOpen())
    }
    this.happened.set('markers lost', broker.lostMarkers)
  }

  private crash(): void {
    const { random } = this
    this.count('crash')
    ;(this.line as Line).backend.crash((_, changes) => {
      const drawn = random.uniform()
      if (this.simulation.calm === true || drawn < 0.5) return 0
      if (drawn < 0.6) return 'whole'
      return random.below(Math.min(changes, 6) + 1)
    })
  }

  private died(error: unknown): void {
    if (error instanceof CodedError && unkind.has(error.code)) this.count(error.code)
    else this.trouble(error)
  }

  trouble(error: unknown): void {
    this.troubles.push(error instanceof Error ? `${error.message} ${error.stack?.split('\n')[1] ?? ''}` : String(error))
  }

  private count(what: string, times = 1): void {
    this.happened.set(what, (this.happened.get(what) ?? 0) + times)
  }
}
