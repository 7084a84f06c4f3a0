/**
 * Benchmarks of a user's own: files that call `bench('name', fn)`.
 *
 * ```js
 * import { bench } from 'spikewasm/bench' // or the global of that name
 * import * as sw from 'spikewasm'
 *
 * bench('my kernel', () => compute(input), { work: 0.2, unit: 'GFLOP' })
 * bench('my step', async () => { await model.trainStep(batch) })
 * ```
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import * as modules from 'node:module'
import { extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, SpikewasmError } from '../errors.js'
import { kindOfPath } from '../io/files.js'
import { aFunction, complete, optional, type Rules, range, such } from '../rules.js'
import type { Benchmark, Build, Prepared } from './benchmark.js'
import type { BuildFiles } from './compare/builds.js'
import { initialize, PARAMETER, type Registration, resolveNow } from './own-hooks.js'

/** Options of `bench`. */
export interface OwnOptions {
  /** Work of one call, for a rate: a number > 0 of `unit`. */
  readonly work?: number
  /** Unit of the work, for example 'GFLOP', 'images' or 'GB'. */
  readonly unit?: string
  /** Runs once before the measurement. */
  setup?(): void | Promise<void>
  /** Runs once behind it. */
  teardown?(): void | Promise<void>
}

interface Entry extends OwnOptions {
  readonly name: string
  readonly fn: () => unknown
}

/** The list that a loading file fills. All builds in a process share it. */
interface Collector {
  add(name: unknown, fn: unknown, options: unknown): void
}
const COLLECTOR = Symbol.for('spikewasm.bench.collector')
const shared = globalThis as { [COLLECTOR]?: Collector; bench?: typeof bench }

const NAME_LENGTH = 200
/** No file needs as many; a loop that never ends would. */
const ENTRIES_LIMIT = 10_000

/**
 * Registers a benchmark in a file that `spikewasm bench FILE` runs.
 * @param name one line, unique among all files
 * @param fn one call; if it returns a promise, the call ends when that is settled
 * @throws SpikewasmError when it is called outside such a file, or with wrong arguments
 */
export function bench(name: string, fn: () => unknown, options: OwnOptions = {}): void {
  const collector = shared[COLLECTOR]
  expect(
    collector !== undefined,
    () =>
      `bench must be called while spikewasm bench loads the file, got ${describe(name)}; ` +
      'run npx spikewasm bench FILE, and call bench at the top level of the file',
  )
  collector.add(name, fn, options)
}

/** What a call returned: without a use, V8 might leave out the work. */
const kept: { result?: unknown } = {}

/**
 * A build and its files.
 *
 * @internal
 */
export interface Side {
  readonly build: Build
  readonly files: BuildFiles
}

/**
 * Loads files of a user's own, once for each build, and returns their benchmarks.
 *
 * @internal For `spikewasm bench`.
 * @param sides one or two; names are those of the first
 * @throws SpikewasmError that names the file when it cannot be loaded, holds no benchmark, or a
 *   name comes twice
 */
export async function ownBenchmarks(
  paths: readonly string[],
  sides: readonly Side[],
): Promise<Benchmark[]> {
  const loaded: { build: Build; entries: ReadonlyMap<string, Entry> }[] = []
  for (const { build, files } of sides)
    loaded.push({ build, entries: await loadFiles(paths, files) })
  const entryOf = (name: string, build: Build): Entry => {
    const entry = loaded.find((side) => side.build === build)?.entries.get(name)
    expect(
      entry !== undefined,
      () => `bench "${name}" must be there for both builds, got none for ${build.name}`,
    )
    return entry
  }
  return [...loaded[0].entries.values()].map(({ name, work, unit = 'calls' }) => ({
    name,
    section: 'own' as const,
    work: work === undefined ? undefined : { amount: work, unit },
    prepare: (build) => prepare(entryOf(name, build)),
  }))
}

type Run = () => void | Promise<void>
type MakeRun = (fn: () => unknown, kept: { result?: unknown }, isThenable: IsThenable) => Run

/**
 * A call with code of its own. With code that benchmarks share, V8 would inline the function of the
 * first one alone.
 */
function freshRun(fn: () => unknown): Run {
  const make = new Function(
    'fn',
    'kept',
    'isThenable',
    'return () => { const result = fn(); kept.result = result; ' +
      'if (isThenable(result)) return Promise.resolve(result) }',
  ) as MakeRun
  return make(fn, kept, isThenable)
}

async function prepare({ fn, setup, teardown }: Entry): Promise<Prepared> {
  await setup?.()
  return {
    run: freshRun(fn),
    async dispose() {
      kept.result = undefined
      await teardown?.()
    },
  }
}

type IsThenable = (value: unknown) => value is Promise<void>
const isThenable: IsThenable = (value): value is Promise<void> =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as { then?: unknown }).then === 'function'

let marks = 0

async function loadFiles(
  paths: readonly string[],
  files: BuildFiles,
): Promise<ReadonlyMap<string, Entry>> {
  const mark = String(marks++)
  registerHooks(mark, files)
  const entries = new Map<string, Entry>()
  const origins = new Map<string, string>()
  for (const path of paths)
    for (const entry of await loadFile(path, mark)) {
      const { name } = entry
      const other = origins.get(name)
      expect(
        other === undefined,
        () =>
          `${path}: names must be unique, got "${name}" twice` +
          `${other === path ? '' : ` (the other one is in ${other})`}; rename one of them`,
      )
      origins.set(name, path)
      entries.set(name, entry)
    }
  return entries
}

/** Node's way to resolve imports on the thread that imports; from Node 22.15 on. */
const { registerHooks: registerNow } = modules as {
  readonly registerHooks?: (hooks: { readonly resolve: typeof resolveNow }) => object
}
let isHooked = false

/** What marked files import as 'spikewasm' is this build. */
function registerHooks(mark: string, { main, ops, bench: own, root, version }: BuildFiles): void {
  expect(
    typeof modules.register === 'function',
    () =>
      `bench.files need Node 20.6 or newer, this is ${process.versions.node}; ` +
      'run them with a newer Node',
  )
  const targets: Record<string, string> = {
    spikewasm: main,
    // A build without benchmarks of its own takes ours: that function only fills a list.
    'spikewasm/bench': own ?? import.meta.url,
  }
  if (ops !== undefined) targets['spikewasm/ops'] = ops
  const data: Registration = { mark, targets, label: `spikewasm ${version} in ${root}` }
  if (!registerNow) {
    modules.register('./own-hooks.js', import.meta.url, { data })
    return
  }
  initialize(data)
  if (!isHooked) registerNow({ resolve: resolveNow })
  isHooked = true
}

async function loadFile(path: string, mark: string): Promise<Entry[]> {
  const full = resolve(path)
  const kind = await kindOfPath(full)
  expect(
    kind === 'file',
    () =>
      `bench.files must be files that call bench, got "${path}": ` +
      (kind === 'folder' ? 'it is a folder; name the files in it' : 'there is no such file'),
  )
  const entries: Entry[] = []
  const before = shared.bench
  shared[COLLECTOR] = { add: (...given) => void entries.push(checked(path, given, entries)) }
  shared.bench = bench
  try {
    await import(`${pathToFileURL(full).href}?${PARAMETER}=${mark}`)
  } catch (error) {
    throw loadError(path, error)
  } finally {
    delete shared[COLLECTOR]
    if (before === undefined) delete shared.bench
    else shared.bench = before
  }
  expect(
    entries.length > 0,
    () =>
      `${path}: must call bench('name', fn) at least once, got no call; ` +
      'calls count while the file loads',
  )
  return entries
}

const ownRules: Rules<OwnOptions> = {
  work: optional(range('> 0')),
  unit: optional(
    such(
      "a word such as 'GFLOP' or 'images'",
      (unit) => typeof unit === 'string' && /^[^\p{C}]{1,20}$/u.test(unit),
    ),
  ),
  setup: aFunction(),
  teardown: aFunction(),
}

function checked(path: string, given: readonly unknown[], entries: readonly Entry[]): Entry {
  const [name, fn, options] = given
  expect(
    typeof name === 'string' &&
      name.trim() === name &&
      name !== '' &&
      name.length <= NAME_LENGTH &&
      !/\p{C}/u.test(name),
    () =>
      `${path}: bench.name must be one line of 1 to ${NAME_LENGTH} characters, without spaces ` +
      `at its ends, got ${describe(name)}`,
  )
  const what = `${path}: bench "${name}"`
  expect(typeof fn === 'function', () => `${what} must have a function, got ${describe(fn)}`)
  const all = complete<OwnOptions>(
    what,
    ownRules,
    options as object,
    [],
    (key) => `${what}: ${key}`,
  )
  expect(
    all.unit === undefined || all.work !== undefined,
    () => `${what}: unit must come with work, the amount in one call`,
  )
  expect(
    entries.length < ENTRIES_LIMIT,
    () => `${path}: must call bench at most ${ENTRIES_LIMIT} times, got more`,
  )
  return { name, fn: fn as () => unknown, ...all }
}

/** Why a file could not be loaded, in one message. */
function loadError(path: string, error: unknown): SpikewasmError {
  if (error instanceof Error && error.name === 'SpikewasmError')
    return new SpikewasmError(error.message, { cause: error })
  const { name, message, stack, code } =
    error instanceof Error
      ? (error as NodeJS.ErrnoException)
      : { name: 'Error', message: describe(error), stack: undefined, code: undefined }
  const line = name === 'SyntaxError' ? syntaxLine(path) : stackLine(stack, path)
  const hint =
    code === 'ERR_UNKNOWN_FILE_EXTENSION'
      ? `; Node ${process.versions.node} does not run ${extname(path)} files: compile it first`
      : /require is not defined|module is not defined|exports is not defined/.test(message)
        ? '; files with benchmarks are ES modules: use import'
        : ''
  return new SpikewasmError(
    `${path}: must be a file that loads, got ${name}: ${message.split('\n')[0]}` +
      `${line === undefined ? '' : ` (line ${line})`}${hint}`,
    { cause: error },
  )
}

/** Line of a syntax error. Node shows it when it checks a file, but not in the error itself. */
function syntaxLine(path: string): string | undefined {
  const args = ['--input-type=module', '--check', '-']
  const input = readFileSync(path)
  const { stderr } = spawnSync(process.execPath, args, { input, encoding: 'utf8', timeout: 10_000 })
  return stderr?.match(/^\[stdin\]:(\d+)$/m)?.[1]
}

/** Line of the file in a stack trace. */
function stackLine(stack: string | undefined, path: string): string | undefined {
  const start = stack?.indexOf(`${pathToFileURL(resolve(path)).href}?`) ?? -1
  return start < 0 ? undefined : stack?.slice(start).match(/:(\d+):\d+/)?.[1]
}
