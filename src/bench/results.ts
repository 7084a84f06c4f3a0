/** Where results go: the terminal and files. */

import { constants } from 'node:fs'
import { access, realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fail } from '../base/errors.js'
import { checkTargets, kindOfPath, writeFilesAtomic } from '../files/files.js'
import { type Entry, type Report, toMarkdown } from './report.js'

/** Options that name files to write. */
export interface ResultPaths {
  /** true: to standard output, and nothing else goes there. */
  readonly json?: string | true
  readonly markdown?: string
  readonly saveBaseline?: string
}

/** bench.json → bench.bigger.json */
const biggerName = (path: string): string => `${path.replace(/\.json$/i, '')}.bigger.json`

const jsonFiles = (json: string | true | undefined): string[] =>
  typeof json === 'string' ? [json, biggerName(json)] : []

const SOURCE = /\.[cm]?[jt]sx?$/i

/**
 * Checks before anything is measured what can be checked then: each file lies in a folder of its
 * own name that can be written to, and no two are the same.
 */
export async function checkPaths({ json, markdown, saveBaseline }: ResultPaths): Promise<void> {
  const [times] = jsonFiles(json)
  const named = { '--json': times, '--markdown': markdown, '--save-baseline': saveBaseline }
  for (const [option, path] of Object.entries(named))
    if (path !== undefined && SOURCE.test(path))
      fail(`${option} must be a file for results, got ${JSON.stringify(path)}, a program`)
  const all = [...jsonFiles(json), markdown, saveBaseline].filter((path) => path !== undefined)
  await checkTargets(all)
  const places = new Map<string, string>()
  for (const path of all) {
    const place = await placeOf(path)
    const other = places.get(place)
    if (other !== undefined)
      fail(`${path}: must be a file of its own, got the same as "${other}"; choose another path`)
    places.set(place, path)
  }
}

/** Where a file is or will be, links followed. @throws SpikewasmError when it cannot be there */
async function placeOf(path: string): Promise<string> {
  const folder = dirname(path)
  const refuse = (why: string) => fail(`${path}: the file could not be written: ${why}`)
  const kind = await kindOfPath(folder)
  if (kind === undefined) refuse(`the folder "${folder}" does not exist; make it first`)
  if (kind === 'file') refuse(`"${folder}" is not a folder; choose another path`)
  await access(folder, constants.W_OK | constants.X_OK).catch(() =>
    refuse(
      `writing in "${folder}" is not permitted; choose another folder or change its permissions`,
    ),
  )
  const isThere = (await kindOfPath(path)) !== undefined
  return isThere ? realpath(path) : join(await realpath(folder), basename(path))
}

/** Prints lines, unless standard output is for JSON. */
export const printer =
  ({ json }: ResultPaths): ((text: string) => void) =>
  (text) =>
    void (json !== true && process.stdout.write(`${text}\n`))

/** Tells what failed, on standard error. */
export const warn = (text: string): void => {
  process.stderr.write(`spikewasm: ${text}\n`)
}

const pretty = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

/**
 * Writes what options ask for.
 *
 * @param machine lines on what it was measured on
 */
export async function writeResults(
  { json, markdown }: ResultPaths,
  machine: readonly string[],
  report: Report,
  print: (text: string) => void,
): Promise<void> {
  const [smallerIsBetter, biggerIsBetter] = [report.smallerIsBetter, report.biggerIsBetter].map(
    (entries) => entries.filter(isFigure),
  )
  // What cannot be written does not take this away.
  if (json === true) process.stdout.write(pretty({ machine, smallerIsBetter, biggerIsBetter }))
  const [times, rates] = jsonFiles(json)
  const tables = `${machine.join('\\\n')}\n\n${report.tables.map(toMarkdown).join('\n')}`
  const texts = [
    [times, pretty(smallerIsBetter)],
    [rates, pretty(biggerIsBetter)],
    [markdown, tables],
  ] as const
  const files = texts.flatMap(([path, text]) =>
    path === undefined ? [] : [{ path, bytes: new TextEncoder().encode(text) }],
  )
  if (files.length > 0) await writeFilesAtomic(files)
  for (const { path } of files) print(`wrote ${path}`)
}

/** Says so where a figure is no number: no tool could read it. */
function isFigure({ name, value }: Entry): boolean {
  if (Number.isFinite(value)) return true
  warn(`"${name}" has no figure, got ${value}; it is left out of files`)
  return false
}
