/** The builds of a comparison: where their files are, how they are loaded, where they come from. */

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, cpus } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { fail } from '../../base/errors.js'
import * as v from '../../engine/vendor/valibot/index.js'
import { kindOfPath } from '../../files/files.js'
import { packageFile } from '../../package-files.js'
import type { Build } from '../benchmark.js'

/** A build's folder, and the files behind what users import of it. */
export interface BuildFiles {
  readonly root: string
  readonly version: string
  readonly main: string
  /** Absent where it has no kernels as functions. */
  readonly ops?: string
}

/** The folder of the package that this file belongs to. */
export const ownRoot = (): string => fileURLToPath(packageFile(''))

/**
 * Finds a build as Node does: a checkout that has been built, an installed package, or a folder
 * whose node_modules holds one.
 * @param option what error messages call the folder, for example `bench.against`
 * @throws SpikewasmError when there is none, or it has not been built
 */
export async function findBuild(folder: string, option: string): Promise<BuildFiles> {
  const must = (holds: boolean, why: string): void => {
    if (!holds) fail(`${option} must be a folder of spikewasm, got "${folder}": ${why}`)
  }
  const kind = await kindOfPath(folder)
  must(kind === 'folder', kind === 'file' ? 'it is a file' : 'it does not exist')
  const require = createRequire(join(resolve(folder), 'package.json'))
  const find = (name: string): string | undefined => {
    try {
      return require.resolve(name)
    } catch {
      return undefined
    }
  }
  const main = find('spikewasm')
  must(
    main !== undefined,
    'it holds none that has been built; name a checkout where npm ci && npm run build has run, ' +
      'or a folder where spikewasm is installed',
  )
  const manifest = find('spikewasm/package.json')
  const { version = 'unknown' } = manifest ? require(manifest) : {}
  const root = manifest ? dirname(manifest) : resolve(folder)
  return { root, version, main: main!, ops: find('spikewasm/ops') }
}

/**
 * Imports a build. Without kernels as functions, whoever asks for one gets a clear error.
 * @param name tells the builds of a process apart
 */
export async function loadBuild({ version, main, ops }: BuildFiles, name: string): Promise<Build> {
  const load = (path: string): Promise<unknown> => import(pathToFileURL(path).href)
  const without = (): never => fail(`spikewasm ${version} has no spikewasm/ops`)
  return {
    name,
    version,
    sw: (await load(main)) as Build['sw'],
    ops: (ops === undefined ? new Proxy({}, { get: without }) : await load(ops)) as Build['ops'],
  }
}

const text = v.pipe(v.string(), v.maxLength(400))

export const originSchema = v.object({
  /** ISO 8601, UTC. */
  date: v.pipe(v.string(), v.isoTimestamp()),
  version: text,
  /** The hash of a checkout, and whether files differ from it. */
  commit: v.optional(
    v.object({ hash: v.pipe(v.string(), v.regex(/^[0-9a-f]{7,64}$/)), dirty: v.boolean() }),
  ),
  processor: text,
  processors: v.pipe(v.number(), v.integer(), v.minValue(1)),
  platform: text,
  /** Whether V8 uses wide vectors. */
  wide: v.boolean(),
  node: text,
  v8: text,
})
export type Origin = v.InferOutput<typeof originSchema>

/** @param root folder of the package */
export async function originOf(root: string, version: string, wide: boolean): Promise<Origin> {
  const commit = await commitOf(root)
  return {
    date: new Date().toISOString(),
    version,
    ...(commit && { commit }),
    processor: cpus()[0]?.model.trim() || 'unknown processor',
    processors: availableParallelism(),
    platform: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    v8: process.versions.v8,
    wide,
  }
}

/** Absent where the folder is no checkout of its own, or there is no git. */
async function commitOf(root: string): Promise<Origin['commit']> {
  // An installed package may lie in somebody else's repository.
  if (!existsSync(join(root, '.git'))) return undefined
  const args = ['-C', root, 'describe', '--always', '--abbrev=40', '--exclude=*', '--dirty']
  const found = await promisify(execFile)('git', args, { timeout: 5000 }).catch(() => undefined)
  const [, hash, dirty] = /^([0-9a-f]{40,64})(-dirty)?\n$/.exec(found?.stdout ?? '') ?? []
  return hash === undefined ? undefined : { hash, dirty: dirty !== undefined }
}

/** `1a2b3c4`, or `1a2b3c4 with changes`; else the version. */
export const nameOf = ({ commit, version }: Pick<Origin, 'commit' | 'version'>): string =>
  commit === undefined ? version : commit.hash.slice(0, 7) + (commit.dirty ? ' with changes' : '')

/** What must be equal before times of two runs can be compared; what differs, in words. */
export function obstacleBetween(now: Origin, then: Origin): string | undefined {
  const parts: readonly [string, (origin: Origin) => string][] = [
    ['processor', ({ processor }) => processor],
    ['number of processors', ({ processors }) => String(processors)],
    ['platform', ({ platform }) => platform],
    ['Node', ({ node }) => node.split('.')[0]],
    ['V8', ({ v8 }) => v8],
    ['wide vectors', ({ wide }) => (wide ? 'on' : 'off')],
  ]
  const other = parts.find(([, of]) => of(now) !== of(then))
  return other && `its ${other[0]} is "${other[1](then)}", now it is "${other[1](now)}"`
}
