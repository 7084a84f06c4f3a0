/** The network that --model names: one of the package, a module's default export, or a file's. */

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, fail, plainText, quote, SpikewasmError } from '../base/errors.js'
import { kindOfPath, readFileClear } from '../files/files.js'
import { readRunFile } from '../files/folder/read.js'
import { expectNoModule } from '../files/state.js'
import { readModel } from '../model/load.js'
import { models } from '../model/models/registry.js'
import { compositeOf, graphToJson, type NetworkJson } from '../network/json.js'
import { checkModule, isModule, type Module } from '../network/module.js'
import { trace } from '../network/trace.js'
import { type InputShape, imageShape } from '../network/value.js'
import type { OwnNetwork } from '../scale/store.js'
import { runFiles } from '../train/callbacks/run-files.js'
import { withFiles } from './mistakes.js'
import { isModelName, isModuleFile } from './options.js'

/** What a network is made for; a module's function is given it, with `input` as [C, H, W]. */
export interface NetworkSizes {
  readonly input: InputShape
  readonly classes: number
  readonly timeSteps: number
  readonly tau: number
}

/** A network before anybody knows the sizes. */
export interface NetworkSource {
  /** A name, no path. */
  readonly name: string
  /** SHA-256 of the file's bytes, hexadecimal; a folder and a network by name have none. */
  readonly sha256?: string
  /** `json`: what a run's folder keeps of one that is no name. */
  make(sizes: NetworkSizes): Promise<{ readonly network: Module; readonly json?: NetworkJson }>
}

/** A file's name as options and jobs hold it: letters, digits, dots, dashes. */
const labelOf = (path: string): string =>
  basename(resolve(path))
    .replace(/[^\w.+-]+/g, '_')
    .slice(-100)
    .replace(/^[^A-Za-z0-9]+/, '') || 'model'

/** @throws SpikewasmError for another text: what came from a file or a job is never a path */
export function networkByName(name: string): NetworkSource {
  if (!isModelName(name)) fail(`the network must be one by name, got ${quote(name)}`)
  return {
    name,
    make: async ({ input, classes, tau }) => ({ network: models[name](input, classes, { tau }) }),
  }
}

/**
 * @param model a name, a module, a model file, a file of NIR, or the folder of a run
 * @throws SpikewasmError for a file that is missing or holds no network
 */
export async function openNetwork(model: string): Promise<NetworkSource> {
  if (isModelName(model)) return networkByName(model)
  const kind = await kindOfPath(model)
  if (kind === undefined)
    fail(
      `--model must be a module, a model file or the folder of a run, got ${quote(model)}, where ` +
        'nothing is; mind the path',
    )
  const name = labelOf(model)
  if (kind === 'folder') {
    const bytes = await withFiles(() => readRunFile(model, runFiles.weights))
    return { name, make: async (sizes) => traced(savedNetwork(bytes, model), model, sizes) }
  }
  const bytes = await withFiles(() => readFileClear(model, '--model'))
  const sha256 = sha256Of(bytes)
  if (isModuleFile(model)) {
    const exported = await importModule(model, sha256)
    const make: NetworkSource['make'] = async (sizes) =>
      traced(await networkIn(exported, model, sizes), model, sizes)
    return { name, sha256, make }
  }
  const network = /\.nir$/i.test(model)
    ? (await withFiles(async () => (await import('../model/nir/load.js')).networkFromNir(model)))
        .network
    : savedNetwork(bytes, model)
  return { name, sha256, make: async (sizes) => traced(network, model, sizes) }
}

export const sha256Of = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex')

function savedNetwork(bytes: Uint8Array, path: string): Module {
  const { json } = readModel(expectNoModule(bytes, path), path)
  if (json === undefined)
    fail(
      `${path}: must hold a network beside its weights, as model.save writes it, got weights ` +
        'alone; give --model the network, and the weights as --load or --weights',
    )
  return compositeOf(json.network, path)
}

async function importModule(path: string, sha256: string): Promise<unknown> {
  const url = pathToFileURL(resolve(path))
  // A file that has changed since it was imported is another module.
  url.search = sha256
  try {
    return ((await import(url.href)) as { readonly default?: unknown }).default
  } catch (error) {
    return fail(`${path}: ${whyNot(error, url)}`, error)
  }
}

/** Why a module could not be imported. */
function whyNot(error: unknown, url: URL): string {
  const { code, message, stack = '' } = Object(error) as NodeJS.ErrnoException
  const said = plainText(String(message ?? error).replaceAll(url.search, ''), 400)
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION')
    return (
      `must be JavaScript: Node ${process.versions.node} reads no TypeScript, Node 22.18 and ` +
      'later do; give the .mjs that it compiles to'
    )
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND')
    return `must find what it imports, got: ${said}; install that beside the module (npm install)`
  if (error instanceof SyntaxError) {
    // Only names that do not match are told with their line; for others Node reads it once more.
    const own = fileURLToPath(url)
    const check = (): string =>
      spawnSync(process.execPath, ['--check', own], { encoding: 'utf8', timeout: 10_000 }).stderr
    const places = /^(?:file:.*?\?\w+|\/.*?|\w:.*?):(\d+)\r?\n/
    const line = (places.exec(stack) ?? places.exec(check()))?.[1]
    const where = line === undefined ? '' : ` in line ${line}`
    const cure = /^Cannot use import|'export'$/.test(said) ? '; name a module .mjs' : ''
    return `must be a JavaScript module, got a syntax error${where}: ${said}${cure}`
  }
  return `must be a module that can be imported, but it threw: ${said}`
}

/** What was thrown by somebody's module, which may be anything. */
const saidBy = (error: unknown): string =>
  plainText(String((Object(error) as Partial<Error>).message ?? error), 400)

/** The network that a module's default export is, or gives. */
async function networkIn(exported: unknown, path: string, sizes: NetworkSizes): Promise<Module> {
  const given = { ...sizes, input: [...imageShape(sizes.input)] }
  let network = exported
  if (typeof exported === 'function')
    try {
      network = await exported(given)
    } catch (error) {
      const what = `its function must give a network for ${JSON.stringify(given)}`
      fail(`${path}: ${what}, but it threw: ${saidBy(error)}`, error)
    }
  if (isModule(network)) return network as Module
  const got = network === undefined ? 'none' : describe(network)
  return fail(
    `${path}: its default export must be a network, such as sequential(…), or a function of ` +
      '{ classes, input, timeSteps, tau } that gives one, got ' +
      (typeof exported === 'function' ? `a function that gives ${describe(network)}` : got),
  )
}

/**
 * A network made anew from its description, which another copy of the package may have given: each
 * layer is checked by this one, and a run that goes on makes the same from its folder.
 */
function traced(network: Module, path: string, { input, classes }: NetworkSizes) {
  try {
    checkModule('the network', network)
    const graph = trace(network, input)
    const [values, height, width] = graph.nodes[graph.output].shape
    if (values < classes || height * width > 1)
      fail(
        `it must give a value for each of their ${classes} classes, got ` +
          `[${[values, height, width].join(', ')}]; end it in linear(…, classes)`,
      )
    const json = JSON.parse(JSON.stringify(graphToJson(graph))) as NetworkJson
    return { network: compositeOf(json, path), json }
  } catch (error) {
    const said = error instanceof SpikewasmError ? error.message : saidBy(error)
    const what = `its network must fit data of [${input.join(', ')}]`
    return fail(`${path}: ${what}: ${said.replace(`${path}: `, '')}`, error)
  }
}

// Networks of one's own in sweeps and jobs. A job in Redis names one by its hash, and never by a
// path: a worker does what its own list holds under that hash.

/** Files of a worker's list, and bytes of one. */
const MOST_FILES = 1000
const MOST_BYTES = 64 * 2 ** 20

/**
 * A file as a job names it.
 *
 * @param where what named it, for messages
 * @throws SpikewasmError for what is no file, or too large for a worker's list
 */
export function ownNetwork(path: string, where: string): OwnNetwork & { readonly path: string } {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found)
    fail(`${where} must be a module or a model file, got ${quote(path)}, which is missing`)
  if (!found.isFile())
    fail(
      `${where} must be a module or a model file, got the folder ${quote(path)}; of a run give ` +
        `its ${runFiles.weights}`,
    )
  if (found.size > MOST_BYTES)
    fail(`${where} must have at most ${MOST_BYTES} bytes, got ${found.size} in ${quote(path)}`)
  return { name: labelOf(path), sha256: sha256Of(readFileSync(path)), path }
}

/** The files of a worker's own list by their hashes. */
export function ownNetworks(folder: string): ReadonlyMap<string, string> {
  let names: string[] = []
  try {
    names = readdirSync(folder)
      .filter((name) => isModuleFile(name) || /\.(safetensors|nir)$/i.test(name))
      .sort()
  } catch (error) {
    fail(`--models must be a folder, got ${quote(folder)}: ${(error as Error).message}`, error)
  }
  if (names.length === 0 || names.length > MOST_FILES)
    fail(
      `--models must hold 1 to ${MOST_FILES} modules (.mjs, .js, .ts) and model files ` +
        `(.safetensors, .nir), got ${names.length} in ${quote(folder)}`,
    )
  const all = names.map((name) => ownNetwork(join(folder, name), `--models: ${quote(name)}`))
  return new Map(all.map(({ sha256, path }) => [sha256, path]))
}

/** What a worker says of a job whose network is not in its list; undefined: it is. */
export const lackOf = (
  own: OwnNetwork | undefined,
  models: ReadonlyMap<string, string>,
): string | undefined =>
  own && !models.has(own.sha256)
    ? `jobs of the network ${own.name} (SHA-256 ${own.sha256}) are left to others: it is not ` +
      'among the --models of this worker; to do them, put that file there and start it again'
    : undefined
