/** Where the results of `spikewasm bench` go: the terminal, files, a history and its page. */

import { constants, existsSync } from 'node:fs'
import { access, realpath } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Origin } from '../bench/compare/origin.js'
import type { Mode } from '../bench/history.js'
import { checkResultPath } from '../bench/options.js'
import { type Entry, type Report, toMarkdown } from '../bench/report.js'
import { expect, SpikewasmError } from '../errors.js'
import { checkTargets, kindOfPath, writeFilesAtomic } from '../io/files.js'
import { overwrite } from './terminal.js'

/** Options that name files to write. */
export interface ResultPaths {
  /** true: to standard output, and nothing else goes there. */
  readonly json?: string | true
  readonly markdown?: string
  readonly saveBaseline?: string
  readonly history?: string
  readonly html?: string
}

/** bench.json → bench.bigger.json */
const biggerName = (path: string): string => `${path.replace(/\.json$/i, '')}.bigger.json`

const jsonFiles = (json: string | true | undefined): string[] =>
  typeof json === 'string' ? [json, biggerName(json)] : []

/** Checks before anything is measured what can be checked then. */
export async function checkPaths(paths: ResultPaths): Promise<void> {
  const { json, markdown, saveBaseline, history, html } = paths
  const named = { json: jsonFiles(json)[0], markdown, saveBaseline, history, html }
  for (const [option, path] of Object.entries(named)) checkResultPath(option, path)
  expect(
    html === undefined || history !== undefined,
    () => 'bench.html must come with --history FILE, whose runs it shows',
  )
  const all = [...jsonFiles(json), markdown, saveBaseline, history, html]
  const files = all.filter((path) => path !== undefined)
  await checkTargets(files)
  await checkPlaces(files)
  if (history !== undefined) await (await import('../bench/history.js')).checkHistory(history, html)
  if (html !== undefined) await (await import('../bench/page.js')).needPlotly()
}

/** Each file lies in a folder of its own name that can be written to, and no two are the same. */
async function checkPlaces(paths: readonly string[]): Promise<void> {
  const places = new Map<string, string>()
  for (const path of paths) {
    const place = await placeOf(path)
    const other = places.get(place)
    expect(
      other === undefined,
      () => `${path}: must be a file of its own, got the same as "${other}"; choose another path`,
    )
    places.set(place, path)
  }
}

/** Where a file is or will be, links followed. @throws SpikewasmError when it cannot be there */
async function placeOf(path: string): Promise<string> {
  const folder = dirname(path)
  const refuse = (why: string): never => {
    throw new SpikewasmError(`${path}: the file could not be written: ${why}`)
  }
  const kind = await kindOfPath(folder)
  if (kind === undefined) refuse(`the folder "${folder}" does not exist; make it first`)
  if (kind === 'file') refuse(`"${folder}" is not a folder; choose another path`)
  await access(folder, constants.W_OK | constants.X_OK).catch(() =>
    refuse(
      `writing in "${folder}" is not permitted; choose another folder or change its permissions`,
    ),
  )
  return (await kindOfPath(path)) === undefined
    ? join(await realpath(folder), basename(path))
    : realpath(path)
}

/** Prints lines, unless standard output is for JSON. */
export function printer({ json }: ResultPaths): (text: string) => void {
  return (text) => void (json !== true && process.stdout.write(`${text}\n`))
}

/** One line on standard error that says what is measured now; on a terminal alone. */
export const progress = (text: string): void => {
  if (process.stderr.isTTY) overwrite(process.stderr, text)
}

/** Tells what failed, on standard error. */
export const warn = (text: string): void => {
  process.stderr.write(`spikewasm: ${text}\n`)
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const pretty = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

/**
 * Writes what options ask for.
 *
 * @param machine lines on what it was measured on
 */
export async function writeResults(
  { json, markdown, history, html, quick }: ResultPaths & { readonly quick?: boolean },
  machine: readonly string[],
  report: Report,
  print: (text: string) => void,
  origin?: Origin,
): Promise<void> {
  const { tables, marks } = report
  const [smallerIsBetter, biggerIsBetter] = [report.smallerIsBetter, report.biggerIsBetter].map(
    (entries) => entries.filter(isFigure),
  )
  // What cannot be written does not take this away.
  if (json === true) process.stdout.write(pretty({ machine, smallerIsBetter, biggerIsBetter }))
  const files: { path: string; bytes: Uint8Array }[] = []
  const [times, rates] = jsonFiles(json)
  if (times !== undefined)
    files.push(
      { path: times, bytes: encode(pretty(smallerIsBetter)) },
      { path: rates, bytes: encode(pretty(biggerIsBetter)) },
    )
  if (markdown !== undefined) {
    const text = `${machine.join('\\\n')}\n\n${tables.map(toMarkdown).join('\n')}`
    files.push({ path: markdown, bytes: encode(text) })
  }
  if (files.length > 0) await writeFilesAtomic(files)
  if (history !== undefined) {
    const way = quick ? 'quick' : 'thorough'
    const mode = origin === undefined ? way : quick ? 'compared quick' : 'compared'
    await writeHistory(history, html, { smallerIsBetter, marks, mode }, origin)
  }
  const written = [...files.map(({ path }) => path), history, html]
  for (const path of written) if (path !== undefined) print(`wrote ${path}`)
}

/** Says so where a figure is no number: no tool could read it. */
function isFigure({ name, value }: Entry): boolean {
  if (Number.isFinite(value)) return true
  warn(`"${name}" has no figure, got ${value}; it is left out of files`)
  return false
}

interface Figures extends Pick<Report, 'smallerIsBetter' | 'marks'> {
  readonly mode: Mode
}

async function writeHistory(
  path: string,
  html: string | undefined,
  { smallerIsBetter, marks, mode }: Figures,
  origin: Origin | undefined,
): Promise<void> {
  const [{ appendHistory, readHistory }, { ownOrigin }] = await Promise.all([
    import('../bench/history.js'),
    import('../bench/compare/command.js'),
  ])
  const figures = smallerIsBetter.map(({ name, value, unit }) => {
    const found = marks.get(name)
    return { name, value, unit, ...(found !== undefined && { marks: found.split(', ') }) }
  })
  // A run that was stopped before its first figure is none.
  if (figures.length > 0)
    await appendHistory(path, origin ?? (await ownOrigin({ selection: undefined })), figures, mode)
  if (html === undefined || (figures.length === 0 && !existsSync(path))) return
  const { writeHistoryPage } = await import('../bench/page.js')
  await writeHistoryPage(html, await readHistory(path))
}
