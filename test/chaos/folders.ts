/**
 * `spikewasm train` on data in folders under kill -9: the data have a relative path, are moved
 * behind each kill, or go with the run to another machine. It ends with the bits of a run that was
 * left alone. Data that were changed instead are refused.
 */
import { existsSync } from 'node:fs'
import { cp, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { run } from '../cli/in-process.js'
import { type FolderKind, folderKinds, writeData } from '../support/data-folders.js'
import { testRandom } from '../support/engine.js'
import type { Ended } from '../support/program.js'
import { usualMethods } from '../support/tables.js'
import {
  type ChaosOptions,
  type ChaosResult,
  differentFile,
  expectWhole,
  oneByOne,
} from './chaos.js'
import { startTrain } from './command.js'
import { between, type Random } from './scenario.js'

export const places = ['relative', 'moved', 'second machine'] as const
type Place = (typeof places)[number]

const kinds = Object.keys(folderKinds) as FolderKind[]

/** What a seed stands for: 18 in a row have each kind of data at each place. */
const scenarioOf = (seed: number) => ({
  kind: kinds[seed % kinds.length],
  place: places[Math.floor(seed / kinds.length) % places.length],
  method: usualMethods[seed % usualMethods.length],
})

/** Where a run and its data are, and in which folder the command is. */
interface At {
  readonly cwd: string
  readonly run: string
  readonly data: string
}

/** Where they are behind a kill, and what the command must be told of it. */
async function next(at: At, place: Place, folder: string, i: number): Promise<[At, string[]]> {
  if (place === 'relative') return [at, []]
  if (place === 'moved') {
    const data = join(`moved ${i}`, 'of another name')
    await cp(join(at.cwd, at.data), join(at.cwd, data), { recursive: true })
    await rm(join(at.cwd, at.data), { recursive: true })
    return [{ ...at, data }, ['--data', data]]
  }
  const cwd = join(folder, `machine ${i}`)
  const other = { cwd, run: `run ${i}`, data: join('sets', `data ${i}`) }
  await cp(join(at.cwd, at.data), join(cwd, other.data), { recursive: true })
  await rename(join(at.cwd, at.run), join(cwd, other.run))
  await rm(join(at.cwd, at.data), { recursive: true })
  return [other, ['--data', other.data]]
}

/** Kills the command behind a checkpoint, while it trains; undefined if it was done sooner. */
async function killOnce(
  args: readonly string[],
  at: At,
  random: Random,
): Promise<Ended | undefined> {
  const program = startTrain(args, at.cwd)
  const manifest = join(at.cwd, at.run, 'manifest.json')
  const read = () => readFile(manifest, 'utf8').catch(() => '')
  const before = await read()
  const isWritten = (text: string): boolean =>
    text !== before && text.includes('checkpoint.safetensors')
  while (!program.isOver && !isWritten(await read())) await pause(10)
  await pause(random() * 100)
  const end = await program.end()
  return end.code === 0 ? undefined : end
}

/** Kills it; a quick machine that was done sooner begins again from the same files. */
async function killed(args: readonly string[], at: At, random: Random): Promise<Ended> {
  const run = join(at.cwd, at.run)
  const before = `${run} before`
  const isBegun = existsSync(run)
  if (isBegun) await cp(run, before, { recursive: true })
  for (let attempts = 0; attempts < 10; attempts++) {
    const end = await killOnce(args, at, random)
    if (end !== undefined) return end
    await rm(run, { recursive: true })
    if (isBegun) await cp(before, run, { recursive: true })
  }
  throw new Error('ended 10 times before it was killed')
}

/** A sample's file with other bytes, of the same size, and the same name and time. */
async function changeData(data: string): Promise<void> {
  const names = await readdir(data, { recursive: true })
  const path = join(data, names.filter((name) => /\.(png|bin)$/.test(name)).sort()[0])
  const bytes = await readFile(path)
  // A byte in the middle of a picture, or an event's place in a recording.
  bytes[bytes.length >> 1] ^= 1
  await writeFile(path, bytes)
  await utimes(path, 1e9, 1e9)
}

async function foldersChaosOf(
  seed: number,
  ends: number,
  folder: string,
): Promise<{ told: string[]; kills: number }> {
  const { kind, place, method } = scenarioOf(seed)
  const random = testRandom(seed * 4001 + 3)
  let at: At = { cwd: folder, run: 'run', data: join('data', 'set') }
  await writeData(join(folder, at.data), kind, seed)
  const options = [
    ...[...folderKinds[kind].args, '--model', 'mlp', '--method', method, '--seed', `${seed}`],
    ...['--batch-size', '5', '--epochs', `${24 * (ends + 1)}`, '--checkpoint-every', '1'],
    ...['--no-report', '--threads', '1'],
  ]
  const begin = [...options, '--data', at.data]
  const told: string[] = []
  // What nobody kills needs no process of its own.
  const train = (args: readonly string[], cwd: string) => run(['train', '--json', ...args], { cwd })
  const end = async (args: readonly string[], cwd: string): Promise<void> => {
    const { code, stderr } = await train(args, cwd)
    if (code !== 0) throw new Error(`ended with ${code}: ${stderr}`)
  }
  await end([...begin, '--out', 'whole'], folder)
  let args = [...begin, '--out', at.run]
  for (let i = 0; i < ends; i++) {
    const { code, signal, stderr } = await killed(args, at, random)
    told.push(`${place} ${i} (${code ?? signal})`)
    if (signal !== 'SIGKILL') throw new Error(`ended with ${code}: ${stderr}`)
    await expectWhole(join(at.cwd, at.run))
    const [moved, data] = await next(at, place, folder, i)
    at = moved
    args = ['--resume', at.run, '--threads', `${between(random, 1, 2)}`, ...data]
  }
  // Data that differ are refused; with what there was, it goes on.
  await cp(join(at.cwd, at.data), join(at.cwd, 'changed'), { recursive: true })
  await changeData(join(at.cwd, 'changed'))
  const other = await train(['--resume', at.run, '--data', 'changed'], at.cwd)
  if (
    other.code !== 1 ||
    !/data must have the samples .*(data|validation)\.samples/.test(other.stderr)
  )
    throw new Error(`changed data: ended with ${other.code}: ${other.stderr}`)
  await end(args, at.cwd)
  const [whole, broken] = [join(folder, 'whole'), join(at.cwd, at.run)]
  const names = ['weights.safetensors', 'best.safetensors', 'history.jsonl']
  const different = await differentFile(whole, broken, names)
  if (different !== undefined) throw new Error(`${different} differs, behind ${told.join(', ')}`)
  return { told, kills: told.length }
}

/** Runs, one after the other, each killed `ends` times; each prints a line. */
export const foldersChaos = ({ runs, seed, ends, print }: ChaosOptions): Promise<ChaosResult> =>
  oneByOne(runs, seed, print, (of, folder) => {
    const { kind, method } = scenarioOf(of)
    return { name: `${kind}, ${method}`, done: foldersChaosOf(of, ends, folder) }
  })
