/** The deployment files as the tools of their own kind read them: compose-go (what `docker compose` is built on), kubectl. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { cached, run } from '../services/cache.ts'
import { program } from '../services/programs.ts'
import type { Missing } from '../services/service.ts'
import { compose, objects, root, type KubernetesObject } from './manifests.ts'

const COMPOSE_GO = 'v2.16.2'

/** The normaliser of compose-go, built once by Go and kept. */
async function composeGo(): Promise<{ path: string } | Missing> {
  const go = await program('go')
  if ('missing' in go) return { missing: `no compose-go: ${go.missing}` }
  let said = ''
  const folder = await cached(`compose-go-${COMPOSE_GO}`, async (into) => {
    const args = ['install', `github.com/compose-spec/compose-go/v2/cmd@${COMPOSE_GO}`]
    const built = await run(go.path, args, { env: { ...process.env, GOBIN: into, GOFLAGS: '' } })
    said = built.said.trim().split('\n').at(-1) ?? ''
    return built.code === 0
  })
  return folder === null ? { missing: `no compose-go: ${said}` } : { path: join(folder, 'cmd') }
}

const normaliser = await composeGo()
const kubectl = await program('kubectl')
const reason = (found: object, name = ''): string => ('missing' in found ? ` (${name}${String(found.missing)})` : '')

describe.skipIf('missing' in normaliser)(`compose-go${reason(normaliser)}`, () => {
  it('takes docker-compose.yml, and finds in it what was meant', async () => {
    const { path } = normaliser as { path: string }
    const { code, said } = await run(path, [join(root, 'docker-compose.yml')])
    expect({ code, fault: code === 0 ? '' : said }).toEqual({ code: 0, fault: '' })
    const normal = parse(said) as typeof compose
    expect(Object.keys(normal.services).sort()).toEqual(Object.keys(compose.services).sort())
    expect(Object.keys(normal.volumes).sort()).toEqual(Object.keys(compose.volumes).sort())
    for (const name of ['worker', 'sink', 'serve']) {
      expect(normal.services[name].environment).toEqual(compose.services[name].environment)
      expect(normal.services[name].depends_on).toMatchObject(compose.services[name].depends_on!)
    }
  })
})

describe.skipIf('missing' in kubectl)(`kubectl${reason(kubectl, 'no kubectl: ')}`, () => {
  it('puts the manifests together, with one image of one version', async () => {
    const { path } = kubectl as { path: string }
    const { code, said } = await run(path, ['kustomize', join(root, 'ops', 'kubernetes')])
    expect({ code, fault: code === 0 ? '' : said }).toEqual({ code: 0, fault: '' })
    const built = parseAllDocuments(said).map((document) => document.toJS() as KubernetesObject)
    const nameOf = ({ kind, metadata }: KubernetesObject): string => `${kind} ${metadata.name}`
    expect(built.map(nameOf).sort()).toEqual(objects.map(nameOf).sort())
    const images = [...said.matchAll(/^ *(?:- )?image: (\S+)$/gm)].map(([, image]) => image)
    expect(new Set(images)).toEqual(new Set(['sluice:0.1.0']))
  })
})
