/** docker-compose.yml, the Dockerfile and the Kubernetes manifests, checked without an engine: they agree with the program. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  commandsOf,
  compose,
  composeText,
  dockerfile,
  environmentNames,
  kubernetesFiles,
  kustomization,
  objects,
  root,
  workloads,
} from './manifests.ts'

const services = Object.entries(compose.services)
/** Services of the composed line that run our image. */
const ours = services.filter(([, { image }]) => image?.startsWith('sluice:'))

/** Commands that a shell line or a list of arguments runs: words up to the first option. */
function wordsOf(args: readonly string[]): string[] {
  const end = args.findIndex((each) => each.startsWith('-'))
  return [...(end === -1 ? args : args.slice(0, end))]
}

/** Every command line of `sluice` in the files, as words: ['schemas', 'register']. */
const used = [
  ...ours.flatMap(([, { entrypoint, command = [] }]) => {
    if (entrypoint === undefined) return [wordsOf(command)]
    return command
      .join(' ')
      .split('&&')
      .map((line) => wordsOf(line.trim().split(' ').slice(1)))
  }),
  ...workloads.flatMap(({ containers }) => containers.map(({ args = [] }) => wordsOf(args))),
]

/** Every SLUICE_ name that a container is given. */
const given = [
  ...ours.flatMap(([, { environment = {} }]) => Object.keys(environment)),
  ...workloads.flatMap(({ containers }) => containers.flatMap(({ env = [] }) => env.map(({ name }) => name))),
  ...objects.flatMap(({ kind, data = {} }) => (kind === 'ConfigMap' ? Object.keys(data) : [])),
  ...[...dockerfile.matchAll(/\b(SLUICE_[A-Z_]+)=/g)].map(([, name]) => name),
].filter((name) => name.startsWith('SLUICE_'))

describe('what is deployed agrees with the program', () => {
  it('gives no environment name that the configuration does not know', () => {
    expect(given.length).toBeGreaterThan(20)
    expect(given.filter((name) => !environmentNames.has(name))).toEqual([])
  })

  it('runs only commands that the program has', () => {
    const first = new Set(commandsOf())
    expect(used.map(([command]) => command)).toEqual(
      expect.arrayContaining(['init', 'schemas', 'worker', 'sink', 'serve']),
    )
    expect(used.filter(([command]) => !first.has(command))).toEqual([])
    expect(used.filter(([command, second]) => second !== undefined && !commandsOf(command).includes(second))).toEqual(
      [],
    )
  })

  it('starts the entry of the program, which its image holds', () => {
    expect(dockerfile).toMatch(/^ENTRYPOINT \["node", "\/app\/cli\/main.ts"\]$/m)
    const kept = readFileSync(join(root, '.dockerignore'), 'utf8').matchAll(/^!(.+)$/gm)
    const missing = [...kept].map(([, path]) => path).filter((path) => !existsSync(join(root, path)))
    expect(missing).toEqual([])
  })
})

describe('images', () => {
  const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image)
  const images = [...services.flatMap(([, { image }]) => (image === undefined ? [] : [image])), ...bases]

  it('are pinned to a version, never to what happens to be newest', () => {
    expect(images.length).toBeGreaterThan(8)
    expect(images.filter((image) => !/^[a-z0-9./-]+:v?\d+\.\d+\.\d+/.test(image))).toEqual([])
    expect(kustomization.images.map(({ newTag }) => newTag)).toEqual(['0.1.0'])
  })

  it('of ours are built here with the version of the package, on the Node of the package', () => {
    const { version, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      version: string
      dependencies: Record<string, string>
    }
    expect(new Set(ours.map(([, { image, build }]) => `${image} ${build}`))).toEqual(new Set([`sluice:${version} .`]))
    expect(new Set(bases)).toEqual(new Set([`node:${dependencies['node']}-bookworm-slim`]))
    for (const { containers } of workloads) for (const { image } of containers) expect(image).toBe('sluice')
  })

  it('run our program as a user without rights, on files that it cannot change', () => {
    expect(dockerfile).toMatch(/^USER 1000:1000$/m)
    expect(dockerfile.indexOf('\nUSER ')).toBeLessThan(dockerfile.indexOf('\nENTRYPOINT '))
    for (const [, service] of ours) expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'] })
    for (const { spec, containers } of workloads) {
      expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1000 })
      for (const { securityContext } of containers) {
        expect(securityContext).toMatchObject({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        })
      }
    }
    // Only the one that draws the passwords, which has no network, is root.
    expect(services.filter(([, { user }]) => user === '0:0').map(([name]) => name)).toEqual(['secrets'])
  })
})

describe('secrets', () => {
  it('stand in no file: every one is read from a file at run time', () => {
    const secretNames = [...environmentNames].filter((name) => environmentNames.has(`${name}_FILE`))
    expect(secretNames).toContain('SLUICE_REDIS_PASSWORD')
    expect(given.filter((name) => secretNames.includes(name))).toEqual([])
    const values = [
      ...services.flatMap(([, { environment = {} }]) => Object.entries(environment)),
      ...objects.flatMap(({ data = {} }) => Object.entries(data)),
    ]
    const passwords = values.filter(([name]) => /PASSWORD|SECRET|API_KEY/.test(name))
    expect(passwords.length).toBeGreaterThan(4)
    for (const [name, value] of passwords)
      expect([name, value]).toEqual([name, expect.stringMatching(/^\/run\/sluice\//)])
    expect(objects.filter(({ kind }) => kind === 'Secret')).toEqual([])
    expect(composeText).not.toMatch(/--requirepass|:\/\/[^\s/]+:[^\s/]+@/)
  })

  it('of the composed line are all drawn', () => {
    const script = readFileSync(join(root, 'ops', 'compose', 'draw-secrets.sh'), 'utf8')
    const read = new Set([...composeText.matchAll(/\/run\/sluice\/([a-z.-]+)/g)].map(([, name]) => name))
    expect(read.size).toBeGreaterThan(3)
    for (const name of read) expect(script).toMatch(new RegExp(`draw ${name}\\n|>${name}\\n`))
  })
})

describe('docker-compose.yml', () => {
  it('waits only for services that are there, by a condition that they can fulfil', () => {
    const waits = services.flatMap(([name, { depends_on = {} }]) =>
      Object.entries(depends_on).map(([other, { condition }]) => ({ name, other, condition })),
    )
    expect(waits.length).toBeGreaterThan(15)
    const possible = ({ other }: { other: string }): string => {
      if (compose.services[other] === undefined) return 'none: it is not there'
      return compose.services[other].restart === 'no' ? 'service_completed_successfully' : 'service_healthy'
    }
    expect(waits.filter((wait) => wait.condition !== possible(wait))).toEqual([])
  })

  it('checks the health of everything that stays', () => {
    const staying = services.filter(([, { restart }]) => restart !== 'no')
    const unchecked = staying.filter(
      ([, { image, healthcheck }]) => healthcheck === undefined && !image!.startsWith('sluice:'),
    )
    expect(unchecked.map(([name]) => name)).toEqual([])
    expect(dockerfile).toMatch(/^HEALTHCHECK [^\n]*\\\n\s+CMD \["node"/m)
  })

  it('keeps data in named volumes, and mounts only files that are in the repository', () => {
    const mounts = services.flatMap(([name, { volumes = [] }]) =>
      volumes.map((volume) => ({ name, from: volume.split(':')[0] })),
    )
    const isThere = ({ from }: { from: string }): boolean =>
      from.startsWith('./') ? existsSync(join(root, from)) : from in compose.volumes
    expect(mounts.filter((mount) => !isThere(mount))).toEqual([])
    const keeping = ['kafka', 'redis', 'clickhouse', 'prometheus', 'grafana']
    for (const name of keeping) expect(mounts).toContainEqual({ name, from: name })
  })

  it('opens ports on this machine alone, each once', () => {
    const ports = services.flatMap(([, { ports: some = [] }]) => some)
    expect(ports.length).toBeGreaterThan(4)
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
    expect(new Set(ports.map((port) => port.split(':')[1])).size).toBe(ports.length)
  })

  it('has what the line refuses to run without', () => {
    const { kafka, redis, worker } = compose.services
    expect(kafka.environment).toMatchObject({
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
      KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE: 'false',
    })
    expect(redis.command!.join(' ')).toContain('--appendonly yes')
    expect(redis.command!.join(' ')).toContain('--maxmemory-policy noeviction')
    expect(worker.deploy).toEqual({ replicas: 2 })
  })

  it('is scraped where it serves metrics, and Grafana asks the Prometheus that is there', () => {
    const prometheus = readFileSync(join(root, 'ops', 'prometheus', 'prometheus.yml'), 'utf8')
    expect(dockerfile).toMatch(/SLUICE_OBSERVE_PORT=9464/)
    expect(prometheus).toContain('port: 9464')
    for (const name of ['worker', 'sink', 'serve']) expect(prometheus).toMatch(new RegExp(`\\b${name}\\b`))
    const source = join(root, 'ops', 'grafana', 'provisioning', 'datasources', 'prometheus.yml')
    expect(readFileSync(source, 'utf8')).toContain('http://prometheus:9090')
  })
})

describe('the Kubernetes manifests', () => {
  it('are all applied, and nothing else is', () => {
    expect([...kustomization.resources, 'kustomization.yaml'].sort()).toEqual([...kubernetesFiles].sort())
  })

  it('ask for health and readiness where the program answers', () => {
    const staying = workloads.filter(({ object }) => object.kind === 'Deployment')
    expect(staying.map(({ object }) => object.metadata.name).sort()).toEqual(['serve', 'sink', 'worker'])
    for (const { spec, template } of staying) {
      const [{ ports = [], livenessProbe, readinessProbe, startupProbe }] = spec.containers
      expect(livenessProbe!.httpGet.path).toBe('/health')
      expect(readinessProbe!.httpGet.path).toBe('/ready')
      for (const probe of [livenessProbe, readinessProbe, startupProbe]) {
        expect(ports.map(({ name }) => name)).toContain(probe!.httpGet.port)
      }
      const observe = ports.find(({ name }) => name === 'observe')!.containerPort
      expect(dockerfile).toContain(`SLUICE_OBSERVE_PORT=${observe}`)
      expect(template.metadata.annotations).toMatchObject({ 'prometheus.io/port': String(observe) })
      expect(spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(60)
    }
  })

  it('keep names of Services out of the environment, where they would be read as settings', () => {
    for (const { spec } of workloads) expect(spec.enableServiceLinks).toBe(false)
  })

  it('select the pods that they mean, which have the volumes that they mount', () => {
    const labels = workloads.map(({ template }) => template.metadata.labels['app.kubernetes.io/name'])
    const selected = objects.flatMap(({ kind, metadata, spec }) => {
      const label = spec?.selector?.matchLabels?.['app.kubernetes.io/name']
      return label === undefined ? [] : [{ kind, name: metadata.name, label }]
    })
    expect(selected.filter(({ label }) => !labels.includes(label))).toEqual([])
    const deployments = selected.filter(({ kind }) => kind === 'Deployment')
    expect(deployments.map(({ name }) => name)).toEqual(deployments.map(({ label }) => label))
    for (const { spec, containers } of workloads) {
      const mounted = containers.flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ name }) => name))
      expect(spec.volumes.map(({ name }) => name)).toEqual(expect.arrayContaining(mounted))
    }
  })

  it('let at most one of several be taken away at a time', () => {
    const budgets = objects.filter(({ kind }) => kind === 'PodDisruptionBudget')
    const several = workloads.filter(({ object }) => (object.spec!.replicas ?? 1) > 1)
    expect(budgets.map(({ metadata }) => metadata.name).sort()).toEqual(
      several.map(({ object }) => object.metadata.name).sort(),
    )
    for (const { spec } of budgets) expect(spec!.maxUnavailable === 1 || spec!.minAvailable === 1).toBe(true)
  })
})
