/** The rights of docs/deployment.md as an administrator gives them: what stands there is what the tests run with. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import kafkajs, { type AclEntry } from 'kafkajs'

const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs
const text = readFileSync(join(import.meta.dirname, '../../docs/deployment.md'), 'utf8')

const operations: Readonly<Record<string, number>> = {
  Create: AclOperationTypes.CREATE,
  DescribeConfigs: AclOperationTypes.DESCRIBE_CONFIGS,
  Read: AclOperationTypes.READ,
  Write: AclOperationTypes.WRITE,
}
const resources: Readonly<Record<string, number>> = {
  topic: AclResourceTypes.TOPIC,
  group: AclResourceTypes.GROUP,
  'transactional-id': AclResourceTypes.TRANSACTIONAL_ID,
}

const entry = (principal: string, resource: [number, string, number], operation: number): AclEntry => ({
  resourceType: resource[0],
  resourceName: resource[1],
  resourcePatternType: resource[2],
  principal: `User:${principal}`,
  host: '*',
  operation,
  permissionType: AclPermissionTypes.ALLOW,
})

/** The ACLs at Kafka, for a user; `without`: leaving out an operation, or those on a kind of resource. */
export function kafkaAcls(principal: string, without?: string): AclEntry[] {
  return [...text.matchAll(/^grant (.+)$/gm)].flatMap(([, line]) => {
    const [, kind, name] = /--(topic|group|transactional-id) (\S+)/.exec(line) ?? [null, 'cluster', 'kafka-cluster']
    if (kind === without) return []
    const pattern = kind === 'cluster' ? ResourcePatternTypes.LITERAL : ResourcePatternTypes.PREFIXED
    return [...line.matchAll(/--operation (\w+)/g)].flatMap(([, operation]) => {
      const resource: [number, string, number] = [resources[kind] ?? AclResourceTypes.CLUSTER, name, pattern]
      return operation === without ? [] : [entry(principal, resource, operations[operation])]
    })
  })
}

/** What a producer of payments and a reader of decisions need. */
export const foreignAcls = (principal: string): AclEntry[] => {
  const { LITERAL } = ResourcePatternTypes
  return [
    entry(principal, [AclResourceTypes.TOPIC, 'sluice.transactions', LITERAL], AclOperationTypes.WRITE),
    entry(principal, [AclResourceTypes.TOPIC, 'sluice.settlements', LITERAL], AclOperationTypes.READ),
    entry(principal, [AclResourceTypes.GROUP, 'readers', LITERAL], AclOperationTypes.READ),
  ]
}

/** Arguments of `redis-server` for a user with the documented line; `without`: one of its words left out. */
export function redisUser(name: string, password: string, without?: string): string[] {
  const line = /^ACL SETUSER sluice (.+)$/m.exec(text)![1].split(' ')
  const words = line.filter((word) => word !== without).map((word) => (word === '>PASSWORD' ? `>${password}` : word))
  return ['--user', name, ...words]
}

/** Every command that the line gives, as Redis calls it. */
export const redisCommands = (): string[] =>
  /^ACL SETUSER sluice (.+)$/m
    .exec(text)![1]
    .split(' ')
    .flatMap((word) => (word.startsWith('+') ? [word.slice(1)] : []))

/** What a user of ClickHouse is granted. */
export const clickhouseGrants = (user: string): string[] =>
  [...text.matchAll(/^GRANT (.+) TO (\w+);$/gm)].flatMap(([, grant, to]) => (to === user ? [grant] : []))
