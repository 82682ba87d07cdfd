/** Versions of the services, from the one place that pins them: the images in docker-compose.yml. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'

const file = join(import.meta.dirname, '..', '..', 'docker-compose.yml')

interface Compose {
  readonly services: Readonly<Record<string, { readonly image?: string }>>
}

/** `name:version` of the image that a service of docker-compose.yml runs. */
export function imageOf(service: string): string {
  const { image } = (parse(readFileSync(file, 'utf8')) as Compose).services[service] ?? {}
  if (image === undefined) throw new Error(`docker-compose.yml has no image for '${service}'`)
  return image
}

/** The version in it, which is also that of the artifact in Maven Central. */
export function versionOf(service: string): string {
  const image = imageOf(service)
  return image.slice(image.lastIndexOf(':') + 1)
}
