/** What is deployed, read from its files: the composed services and the Kubernetes objects, in one shape for the checks. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, parseAllDocuments } from 'yaml'
import { keys } from '../../cli/configuration/schema.ts'

export const root = join(import.meta.dirname, '..', '..')

export interface Healthcheck {
  readonly test?: readonly string[] | string
  readonly disable?: boolean
}

export interface ComposeService {
  readonly image?: string
  readonly build?: string
  readonly user?: string
  readonly entrypoint?: readonly string[]
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly volumes?: readonly string[]
  readonly ports?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: Healthcheck
  readonly restart?: string
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly stop_grace_period?: string
  readonly deploy?: { readonly replicas: number }
}

export interface Compose {
  readonly services: Readonly<Record<string, ComposeService>>
  readonly volumes: Readonly<Record<string, unknown>>
}

export const composeText = readFileSync(join(root, 'docker-compose.yml'), 'utf8')
export const compose = parse(composeText, { merge: true }) as Compose
export const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8')

export interface Container {
  readonly name: string
  readonly image: string
  readonly args?: readonly string[]
  readonly env?: readonly { readonly name: string; readonly value?: string }[]
  readonly envFrom?: readonly { readonly configMapRef: { readonly name: string } }[]
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[]
  readonly securityContext: Readonly<Record<string, unknown>>
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[]
  readonly [probe: `${string}Probe`]: { readonly httpGet: { readonly path: string; readonly port: string } } | undefined
}

export interface PodSpec {
  readonly containers: readonly Container[]
  readonly initContainers?: readonly Container[]
  readonly enableServiceLinks?: boolean
  readonly terminationGracePeriodSeconds?: number
  readonly securityContext: Readonly<Record<string, unknown>>
  readonly volumes: readonly { readonly name: string }[]
}

export interface KubernetesObject {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly data?: Readonly<Record<string, string>>
  readonly spec?: {
    readonly replicas?: number
    readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> }
    readonly minAvailable?: number
    readonly maxUnavailable?: number
    readonly ports?: readonly { readonly targetPort: string }[]
    readonly template?: {
      readonly metadata: {
        readonly labels: Readonly<Record<string, string>>
        readonly annotations?: Readonly<Record<string, string>>
      }
      readonly spec: PodSpec
    }
  }
}

const folder = join(root, 'ops', 'kubernetes')
export const kubernetesFiles = readdirSync(folder).filter((file) => file.endsWith('.yaml'))
export const kustomization = parse(readFileSync(join(folder, 'kustomization.yaml'), 'utf8')) as {
  readonly resources: readonly string[]
  readonly images: readonly { readonly name: string; readonly newName: string; readonly newTag: string }[]
}

export const objects = kubernetesFiles
  .filter((file) => file !== 'kustomization.yaml')
  .flatMap((file) => parseAllDocuments(readFileSync(join(folder, file), 'utf8')).map((document) => document.toJS()))
  .map((object) => object as KubernetesObject)

/** Objects that start containers, with all of these. */
export const workloads = objects.flatMap((object) => {
  const template = object.spec?.template
  if (template === undefined) return []
  const { spec } = template
  return [{ object, template, spec, containers: [...(spec.initContainers ?? []), ...spec.containers] }]
})

/** Names of the environment that the configuration knows: each key, and the file of each secret. */
export const environmentNames = new Set([
  'SLUICE_CONFIG',
  ...keys.flatMap(({ env, secret }) => (secret ? [env, `${env}_FILE`] : [env])),
])

/** Words after `sluice` that are commands: `worker`, `schemas register`. Read from the program's own help. */
export function commandsOf(...parent: string[]): string[] {
  const help = execFileSync(process.execPath, [join(root, 'cli', 'main.ts'), ...parent, '--help'], { encoding: 'utf8' })
  const [, list = ''] = help.split(/^Commands:$/m)
  return [...list.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map(([, name]) => name).filter((name) => name !== 'help')
}
