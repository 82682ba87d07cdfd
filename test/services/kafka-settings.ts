/** What a broker of the tests is set to: as a properties file for a process, as environment for a container. */

export interface NodeSettings {
  readonly id: number
  /** How many brokers the cluster has. */
  readonly brokers: number
  readonly listeners: string
  readonly advertised: string
  /** id@host:port, comma separated. */
  readonly voters: string
  readonly logDirectory: string
}

/** Three brokers keep three copies and acknowledge two; one keeps one. Nobody is elected who lacks records. */
export function settingsOf(node: NodeSettings): Record<string, string> {
  const copies = String(node.brokers)
  const acknowledged = String(Math.min(2, node.brokers))
  return {
    'process.roles': 'broker,controller',
    'node.id': String(node.id),
    'controller.quorum.voters': node.voters,
    listeners: node.listeners,
    'advertised.listeners': node.advertised,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL',
    'log.dirs': node.logDirectory,
    'default.replication.factor': copies,
    'min.insync.replicas': acknowledged,
    'unclean.leader.election.enable': 'false',
    'offsets.topic.replication.factor': copies,
    'offsets.topic.num.partitions': '5',
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': acknowledged,
    'transaction.state.log.num.partitions': '5',
    'share.coordinator.state.topic.replication.factor': copies,
    'share.coordinator.state.topic.min.isr': acknowledged,
    'group.initial.rebalance.delay.ms': '0',
    'auto.create.topics.enable': 'false',
    'offsets.retention.minutes': '525600',
    'log.cleaner.dedupe.buffer.size': '16777216',
    // On a busy machine the defaults (1 s, 2 s) take a controller for dead that only waits for its turn.
    'controller.quorum.election.timeout.ms': '2000',
    'controller.quorum.fetch.timeout.ms': '5000',
  }
}

export function propertiesOf(settings: Readonly<Record<string, string>>): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')
}

/** As the image of Apache Kafka takes them. */
export function environmentOf(settings: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(settings)
  return Object.fromEntries(entries.map(([key, value]) => [`KAFKA_${key.toUpperCase().replaceAll('.', '_')}`, value]))
}

export const logging = `rootLogger.level=WARN
rootLogger.appenderRef.s.ref=STDOUT
appender.s.name=STDOUT
appender.s.type=Console
appender.s.layout.type=PatternLayout
appender.s.layout.pattern=[%d] %p %m (%c)%n
`
