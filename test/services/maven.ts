/** Java programs out of Maven Central, by Maven: fetched once into the cache. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cached, run } from './cache.ts'
import type { Missing } from './service.ts'

/** The reason why no Java program can be run here; null when one can. */
async function withoutJava(): Promise<Missing | null> {
  const java = await run('java', ['-version'])
  return java.code === 0 ? null : { missing: `'java' is not on the PATH` }
}

async function maven(args: readonly string[], cwd: string): Promise<Missing | null> {
  const { code, said } = await run('mvn', ['-q', '-B', ...args], { cwd })
  if (code === 0) return null
  if (said.includes('ENOENT')) return { missing: `'mvn' is not on the PATH` }
  const errors = said.split('\n').filter((line) => line.includes('ERROR'))
  return { missing: `mvn could not fetch it: ${(errors[0] ?? said).trim()}` }
}

const dependency = (coordinates: string): string => {
  const [group, artifact, version] = coordinates.split(':')
  return `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`
}

/** A folder with jars and all that they need. `coordinates`: group:artifact:version. */
export async function jars(name: string, coordinates: readonly string[]): Promise<string | Missing> {
  let missing = await withoutJava()
  if (missing !== null) return missing
  const folder = await cached(name, async (into) => {
    const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>sluice</groupId><artifactId>fetched</artifactId><version>1</version>
  <dependencies>${coordinates.map(dependency).join('')}</dependencies>
</project>
`
    const work = join(into, '..')
    writeFileSync(join(work, 'pom.xml'), pom)
    missing = await maven(['dependency:copy-dependencies', `-DoutputDirectory=${into}`], work)
    return missing === null
  })
  return folder ?? missing!
}

/** A folder with what an archive of Maven Central holds. `coordinates`: group:artifact:version:tar.gz:classifier. */
export async function archive(name: string, coordinates: string): Promise<string | Missing> {
  let missing = await withoutJava()
  if (missing !== null) return missing
  const folder = await cached(name, async (into) => {
    const work = join(into, '..')
    const args = [`-Dartifact=${coordinates}`, `-DoutputDirectory=${work}`, '-Dmdep.overWriteReleases=true']
    missing = await maven(['dependency:copy', ...args], work)
    if (missing !== null) return false
    const [, artifact, version, type, classifier] = coordinates.split(':')
    const packed = join(work, `${artifact}-${version}-${classifier}.${type}`)
    const { code, said } = await run('tar', ['-xzf', packed, '-C', into])
    missing = code === 0 ? null : { missing: `tar: ${said.trim()}` }
    return missing === null
  })
  return folder ?? missing!
}
