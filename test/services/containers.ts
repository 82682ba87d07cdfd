/** Services in containers, where a Docker engine answers. */
import type * as Library from 'testcontainers'
import type { StartedTestContainer } from 'testcontainers'
import { freePort } from './cache.ts'
import type { Service } from './service.ts'
import { imageOf } from './versions.ts'

/** What keeps a first start from taking for ever where images have to be pulled. */
const START_MS = 180_000

/** The library, where there is an engine for it. Throws with no message where there is none: nothing worth telling. */
async function engine(): Promise<typeof Library> {
  const library = await import('testcontainers')
  try {
    await library.getContainerRuntimeClient()
  } catch {
    throw new Error('')
  }
  return library
}

export interface ContainerSpec {
  /** Its name in docker-compose.yml. */
  readonly service: string
  readonly port: number
  readonly environment?: (port: number) => Record<string, string>
  readonly command?: string[]
  /** Files that are put in before it starts: path here, path there. */
  readonly files?: readonly { readonly source: string; readonly target: string }[]
  readonly ready: { readonly http: string } | { readonly log: RegExp }
  readonly endpoint: (host: string, port: number) => string
}

/** Starts one, on a port that is known before it starts: Kafka has to tell its clients. It is removed in the end. */
export async function container(spec: ContainerSpec): Promise<Service> {
  const { GenericContainer, Wait } = await engine()
  const port = await freePort()
  const { ready } = spec
  let wanted = new GenericContainer(imageOf(spec.service))
    .withExposedPorts({ container: spec.port, host: port })
    .withEnvironment(spec.environment?.(port) ?? {})
    .withStartupTimeout(START_MS)
    .withWaitStrategy('http' in ready ? Wait.forHttp(ready.http, spec.port) : Wait.forLogMessage(ready.log))
  if (spec.files !== undefined) wanted = wanted.withCopyFilesToContainer([...spec.files])
  if (spec.command !== undefined) wanted = wanted.withCommand(spec.command)
  let started: StartedTestContainer
  try {
    started = await wanted.start()
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new Error(`container ${imageOf(spec.service)} did not start: ${why}`, { cause: error })
  }
  const endpoint = spec.endpoint(started.getHost(), port)
  return { endpoint, how: 'container', servers: [], stop: async () => void (await started.stop()) }
}
