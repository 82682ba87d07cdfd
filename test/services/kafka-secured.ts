/**
 * A broker as a firm runs it: TLS, users with passwords (PLAIN and SCRAM-SHA-512), client certificates, and an authorizer
 * that refuses what no ACL allows. Its plain listener is for whoever started it, who may do everything.
 */
import { Kafka as Client, logLevel, type Admin, type SASLOptions } from 'kafkajs'
import { readFileSync } from 'node:fs'
import { freePort } from './cache.ts'
import type { Certificates } from './certificates.ts'
import { kafka, type Kafka } from './kafka.ts'
import type { Missing } from './service.ts'

export interface SecuredKafka extends Kafka {
  /** host:port of each listener; `endpoint` is the plain one. */
  readonly saslSsl: string
  readonly mutualTls: string
  /** kafkajs as the administrator, over TLS. The caller disconnects. */
  admin(): Promise<Admin>
}

export interface SecuredKafkaOptions {
  readonly certificates: Certificates
  /** Passwords by name; each can log in by PLAIN and by SCRAM-SHA-512. `admin` may do everything. */
  readonly users: Readonly<Record<string, string>> & { readonly admin: string }
  /** More settings of the broker. */
  readonly properties?: Readonly<Record<string, string>>
}

const LOGIN = 'org.apache.kafka.common.security'

/** PEM files as Kafka reads them: key and certificate in one text, on one line of a properties file. */
const pem = (...paths: string[]): string =>
  paths.map((path) => readFileSync(path, 'utf8').trim().replaceAll('\n', ' \\n')).join(' \\n')

/** One broker, as a process, or why there is none. */
export async function securedKafka(options: SecuredKafkaOptions): Promise<SecuredKafka | Missing> {
  const { certificates, users } = options
  const [sasl, mutual] = [await freePort(), await freePort()]
  const plain = Object.entries(users).map(([name, password]) => `user_${name}="${password}"`)
  const found = await kafka({
    own: true,
    listeners: [
      { name: 'SASL_SSL', port: sasl },
      { name: 'SSL', port: mutual },
    ],
    format: Object.entries(users).flatMap(([name, password]) => {
      return ['--add-scram', `SCRAM-SHA-512=[name=${name},password=${password}]`]
    }),
    properties: {
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.certificate.chain': pem(certificates.server.cert),
      'ssl.keystore.key': pem(certificates.server.key),
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.certificates': pem(certificates.ca),
      'listener.name.ssl.ssl.client.auth': 'required',
      // A client is called as its certificate says.
      'ssl.principal.mapping.rules': 'RULE:^CN=(.*)$/$1/',
      'listener.name.sasl_ssl.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-512',
      'listener.name.sasl_ssl.plain.sasl.jaas.config': `${LOGIN}.plain.PlainLoginModule required ${plain.join(' ')};`,
      'listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config': `${LOGIN}.scram.ScramLoginModule required;`,
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      // The plain listener and the controller's know nobody by name.
      'super.users': 'User:admin;User:ANONYMOUS',
      ...options.properties,
    },
  })
  if ('missing' in found) return found
  const saslSsl = `127.0.0.1:${sasl}`
  const login: SASLOptions = { mechanism: 'scram-sha-512', username: 'admin', password: users.admin }
  return {
    ...found,
    saslSsl,
    mutualTls: `127.0.0.1:${mutual}`,
    async admin() {
      const admin = clientOf(saslSsl, certificates, login).admin()
      await admin.connect()
      return admin
    },
  }
}

/** kafkajs as any program of a firm would be set up. */
export function clientOf(broker: string, { ca }: Certificates, sasl: SASLOptions): Client {
  return new Client({
    clientId: 'foreign',
    brokers: [broker],
    ssl: { ca: readFileSync(ca) },
    sasl,
    logLevel: logLevel.NOTHING,
  })
}
