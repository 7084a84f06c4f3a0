/** A run of a sweep as a job: what it says, how it is checked, how a worker does it. */

import { rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { createTar } from 'nanotar'
import { describe, fail, quote, SpikewasmError } from '../../base/errors.js'
import { checkBy, integer } from '../../base/rules.js'
import { VERSION } from '../../base/version.js'
import { RunFolder, readManifest, readRunFiles } from '../../files/folder/folder.js'
import { readTar } from '../../files/tar.js'
import { DamagedBytes, type Json, type OwnNetwork, objectOf } from '../../scale/store.js'
import type { JobContext, JobKind } from '../../scale/worker.js'
import { runFiles } from '../../train/callbacks/run-files.js'
import { cacheFor } from '../datasets.js'
import { lackOf } from '../own-model.js'
import { holdsRun } from '../run-folder.js'
import { defined, pick } from '../spec.js'
import { type RunResult, taskName } from './page.js'
import { LimitExceeded, type RunNews, trainAnew } from './run-child.js'
import { type CheckedRun, checkRun, dataPath, NAME, placeArgs, runId } from './spec.js'

/** The queue of runs. */
export const RUNS = 'runs'

/** A job that was checked. */
export interface RunJob {
  readonly id: string
  readonly run: CheckedRun
  readonly data: string
  readonly until?: number
  readonly from?: number
}

/** What a job of a run says: options, and a network of somebody's own by its hash. */
export function payloadOf({ id, run: { given, own }, data, until, from }: RunJob): Json {
  const { model: _, ...others } = given
  const named = own ? { options: others, model: pick(own, 'name', 'sha256') } : { options: given }
  return defined({ id, ...named, data, until, from }) as Json
}

/** A run goes on from what its own version has left: another one may compute other bits. */
const ofVersion = VERSION.replace(/[^\w.-]/g, '_')

/** Names of bytes beside the queue: what a run goes on from, and what it has left. */
export const checkpointName = (name: string): string => `checkpoint-${ofVersion}-${name}`
export const filesName = (name: string): string => `files-${ofVersion}-${name}`

/** More epochs than any run has. */
const MOST_EPOCHS = 1_000_000
/** Threads of a run on any machine. */
const MOST_THREADS = 1024

/** @throws SpikewasmError for anything that no sweep of ours writes */
export function checkJob(payload: Json): RunJob {
  const keys = ['id', 'options', 'model', 'data', 'until', 'from']
  const { id, options, model, data, until, from } = objectOf(payload, 'the job', keys)
  const isHash = (value: unknown, digits: number): value is string =>
    typeof value === 'string' && new RegExp(`^[0-9a-f]{${digits}}$`).test(value)
  if (!isHash(id, 24) || !isHash(data, 16))
    fail(
      `the job must have an id of 24 and a hash of data of 16 hexadecimal digits, got ` +
        `${describe(id)} and ${describe(data)}`,
    )
  const run = checkRun(options, "the job's options", model === undefined ? model : ownIn(model))
  for (const name of ['threads', 'numWorkers']) {
    const { [name]: given = 1 } = run.given
    checkBy(`the job's options.${name}`, integer(1, MOST_THREADS), given)
  }
  const found = runId(run, data)
  if (found !== id)
    fail(`the job's id must be the hash of its options and data, ${found}, got ${id}`)
  const { epochs } = run.parsed
  checkBy("the job's epochs", integer(1, MOST_EPOCHS), epochs)
  if (until !== undefined) checkBy("the job's until", integer(1, epochs - 1), until)
  if (from !== undefined) checkBy("the job's from", integer(1, Number(until ?? epochs) - 1), from)
  return { id, run, data, until: until as number | undefined, from: from as number | undefined }
}

/** A name and a hash, and never a path. */
function ownIn(model: Json): OwnNetwork {
  const { name, sha256 } = objectOf(model, "the job's model", ['name', 'sha256'])
  const isNamed = typeof name === 'string' && NAME.test(name)
  if (isNamed && typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256))
    return { name, sha256 }
  fail(
    "the job's model must have the name and the SHA-256 of a file, 64 hexadecimal digits, got " +
      `${describe(name)} and ${describe(sha256)}`,
  )
}

/** How often it is looked for a new checkpoint. */
const LOOK_MS = 1000
/** The share of a worker's time that handing checkpoints over takes at most. */
const SHARE = 0.02

/** Tells of a new accuracy at once, of steps now and then. */
export function sparingly(progress: JobContext['progress']): (news: RunNews) => void {
  let told = Number.NEGATIVE_INFINITY
  let accuracy: number | null | undefined
  return ({ epoch, epochs, step, steps, testAccuracy = null }) => {
    const now = performance.now()
    if (now - told < LOOK_MS && accuracy === testAccuracy) return
    told = now
    accuracy = testAccuracy
    progress({ epoch, epochs, step, steps, testAccuracy })
  }
}

async function doRun(job: RunJob, context: JobContext): Promise<RunResult> {
  const { id, run, until, from, data } = job
  const { store, scratch, signal, limits } = context
  const name = taskName(id, until)
  const folder = join(scratch, 'run')
  const begun =
    (await fetchRun(context, checkpointName(name), folder)) ||
    (from !== undefined && (await fetchRun(context, filesName(taskName(id, from)), folder)))
  if (begun) context.tell('goes on with what another worker has left')
  // The folder of data is asked for here, so that a worker without it says so.
  const path = dataPath(run.parsed.dataset, context.data)
  const threads = Math.max(1, Math.floor(availableParallelism() / Math.max(1, context.concurrency)))
  const cache = cacheFor(run.parsed.dataset, context.cache, path)
  const model = run.own && context.models?.get(run.own.sha256)
  const upload = uploader(context, folder, checkpointName(name))
  try {
    const whole = {
      args: [...run.args, ...placeArgs(run, { data: context.data, cache, threads, model })],
      untilEpoch: until,
      model: run.own?.sha256,
      data,
      limits,
      signal,
      onNews: sparingly(context.progress),
    }
    const result = await trainAnew(folder, whole, begun, (error) => {
      // It took more than this worker's limits, which it would do again.
      if (error instanceof LimitExceeded) throw error
      context.tell(`begins anew: ${error.message}`)
    })
    await upload.end(false)
    // Nobody goes on from the checkpoint of a run that has ended.
    const files = await packRun(folder, until === undefined ? runFiles.checkpoint : undefined)
    if (files) await store.put(filesName(name), files.bytes)
    await store.remove(checkpointName(name))
    return result
  } catch (error) {
    // Who has lost the lock has nothing to say any more.
    await upload.end(signal.reason !== 'lock lost' && (await holdsRun(folder)))
    throw error
  }
}

/**
 * @returns whether there was something to go on from
 * @throws SpikewasmError where it is too large for this worker
 */
async function fetchRun(
  { store, most, tell }: JobContext,
  name: string,
  folder: string,
): Promise<boolean> {
  const bytes = await store.get(name, most).catch((error: unknown) => {
    if (!(error instanceof DamagedBytes)) throw error
    // The same results come without them.
    tell(`begins anew: ${error.message}`)
    return undefined
  })
  if (!bytes) return false
  try {
    await writeRun(folder, unpackRun(bytes, name))
    return true
  } catch (error) {
    if (!(error instanceof SpikewasmError)) throw error
    await rm(folder, { recursive: true, force: true })
    return false
  }
}

/** Hands checkpoints of a run over while it trains. */
function uploader({ store }: JobContext, folder: string, name: string) {
  let generation = -1
  let going = Promise.resolve()
  let notBefore = 0
  const look = async (): Promise<void> => {
    const before = performance.now()
    if (before < notBefore) return
    const manifest = await readManifest(folder).catch(() => undefined)
    if (!manifest || manifest.generation === generation) return
    const pack = await packRun(folder)
    if (!pack || pack.generation === generation) return
    await store.put(name, pack.bytes)
    generation = pack.generation
    const now = performance.now()
    notBefore = now + (now - before) / SHARE
  }
  const next = (): Promise<void> => {
    going = going.then(look).catch(() => undefined)
    return going
  }
  const timer = setInterval(next, LOOK_MS)
  return {
    /** @param last whether what the end has left is handed over too */
    async end(last: boolean): Promise<void> {
      clearInterval(timer)
      notBefore = 0
      await (last ? next() : going)
    },
  }
}

export const runKind: JobKind<RunJob, RunResult> = {
  kind: RUNS,
  check: checkJob,
  lacks: ({ run: { own } }, models) => lackOf(own, models),
  run: doRun,
}

const names: readonly string[] = Object.values(runFiles)

/**
 * The files of one commit, but for one of them.
 *
 * @returns undefined while there is nothing to go on from
 */
async function packRun(folder: string, without?: string) {
  const manifest = await readManifest(folder)
  if (!manifest || !Object.hasOwn(manifest.files, runFiles.checkpoint)) return undefined
  const isHeld = (name: string): boolean => names.includes(name) && name !== without
  const held = Object.keys(manifest.files).filter(isHeld)
  const files = await readRunFiles(folder, held)
  if (files[runFiles.options]) files[runFiles.options] = withoutPlaces(files[runFiles.options])
  const entries = Object.entries(files).map(([name, data]) => ({ name, data }))
  return { bytes: createTar(entries), generation: manifest.generation }
}

/** Options of a run say where its data are: that is of one machine. */
function withoutPlaces(bytes: Uint8Array): Uint8Array {
  const { data: _, ...rest } = JSON.parse(new TextDecoder().decode(bytes)) as { data?: unknown }
  return new TextEncoder().encode(`${JSON.stringify(rest, undefined, 2)}\n`)
}

/**
 * The files of a pack, which anybody may have written.
 * @throws SpikewasmError for what is no run
 */
export function unpackRun(bytes: Uint8Array, name: string): Record<string, Uint8Array> {
  const files: Record<string, Uint8Array> = {}
  for (const [file, data] of readTar(bytes, name)) {
    if (!names.includes(file)) fail(`${name}: must hold files of a run alone, got ${quote(file)}`)
    files[file] = data
  }
  return files
}

/** Makes a run's folder of a pack. */
export async function writeRun(path: string, files: Record<string, Uint8Array>): Promise<void> {
  const folder = await RunFolder.open(path)
  try {
    await folder.commit(files, { alone: true })
  } finally {
    await folder.close()
  }
}
