/** The two builds of a comparison: where their files are, and how they are loaded. */
import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect, SpikewasmError } from '../../errors.js'
import { kindOfPath, readFileClear } from '../../io/files.js'
import * as v from '../../runtime/vendor/valibot/index.js'
import type { Build } from '../benchmark.js'

/** What users import, and the URL of the file behind it. */
export interface BuildFiles {
  /** Folder of the package. */
  readonly root: string
  readonly version: string
  readonly main: string
  /** Absent where it has no kernels as functions. */
  readonly ops?: string
  /** Absent where it has no benchmarks. */
  readonly bench?: string
}

const PACKAGE = 'spikewasm'

/** The folder of the package that this file belongs to. */
export const ownRoot = (): string => fileURLToPath(new URL('../../../../', import.meta.url))

const condition = v.union([
  v.string(),
  v.pipe(
    v.record(v.string(), v.unknown()),
    v.transform((conditions) => conditions.import ?? conditions.node ?? conditions.default),
    v.string(),
  ),
])
const manifest = v.object({
  name: v.string(),
  version: v.optional(v.string(), 'unknown'),
  exports: v.optional(v.record(v.string(), v.unknown()), {}),
})

/**
 * Finds a build: a checkout that has been built, an installed package, or a folder whose
 * node_modules holds one.
 * @param option what error messages call the folder, for example `bench.against`
 * @throws SpikewasmError when there is none, it is another package, or it has not been built
 */
export async function findBuild(folder: string, option: string): Promise<BuildFiles> {
  const root = await packageFolder(resolve(folder), option)
  const path = join(root, 'package.json')
  const { name, version, exports } = parseManifest(await readFileClear(path, option), path)
  expect(
    name === PACKAGE,
    () =>
      `${option} must be a folder of ${PACKAGE}, got "${folder}": its package.json is that of ` +
      `"${name}"; name a checkout of ${PACKAGE} or a folder where it is installed`,
  )
  const main = await exported(root, exports['.'])
  expect(
    main !== undefined,
    () =>
      `${option} must be a folder of a built ${PACKAGE}, got "${folder}": it has not been built; ` +
      `run npm ci && npm run build in "${root}"`,
  )
  return {
    root,
    version,
    main,
    ops: await exported(root, exports['./ops']),
    bench: await exported(root, exports['./bench']),
  }
}

async function packageFolder(folder: string, option: string): Promise<string> {
  const kind = await kindOfPath(folder)
  expect(
    kind === 'folder',
    () =>
      `${option} must be a folder of ${PACKAGE}, got "${folder}": ` +
      `${kind === 'file' ? 'it is a file' : 'it does not exist'}`,
  )
  const installed = join(folder, 'node_modules', PACKAGE)
  if ((await kindOfPath(join(installed, 'package.json'))) === 'file') {
    const path = join(folder, 'package.json')
    if ((await kindOfPath(path)) !== 'file') return installed
    const { name } = parseManifest(await readFileClear(path, option), path)
    if (name !== PACKAGE) return installed
  }
  return folder
}

function parseManifest(bytes: Uint8Array, path: string): v.InferOutput<typeof manifest> {
  try {
    return v.parse(manifest, JSON.parse(new TextDecoder().decode(bytes)))
  } catch (error) {
    throw new SpikewasmError(
      `${path}: must be the package.json of a package, got: ${(error as Error).message}`,
      { cause: error },
    )
  }
}

/** URL of an exported file; undefined where it is not exported, or not there. */
async function exported(root: string, target: unknown): Promise<string | undefined> {
  const { success, output } = v.safeParse(condition, target)
  if (!success) return undefined
  const path = join(root, output)
  const isFile = await stat(path).then(
    (status) => status.isFile(),
    () => false,
  )
  return isFile ? pathToFileURL(path).href : undefined
}

/**
 * Imports a build. Without kernels as functions, whoever asks for one gets a clear error.
 * @param name tells the builds of a process apart
 */
export async function loadBuild(files: BuildFiles, name: string): Promise<Build> {
  const { version } = files
  const sw = (await import(files.main)) as Build['sw']
  const ops = files.ops === undefined ? undefined : ((await import(files.ops)) as Build['ops'])
  return { name, version, sw, ops: ops ?? without(`spikewasm ${version} has no spikewasm/ops`) }
}

/** A build for benchmarks that take nothing from it, because they import it themselves. */
export function unloadedBuild({ version }: BuildFiles, name: string): Build {
  const message = `spikewasm ${version} is imported by the files that use it`
  return { name, version, sw: without(message), ops: without(message) }
}

/** A namespace of nothing: to take anything from it is a mistake. */
function without<T extends object>(message: string): T {
  const refuse = (): never => {
    throw new SpikewasmError(message)
  }
  return new Proxy({} as T, { get: refuse })
}
