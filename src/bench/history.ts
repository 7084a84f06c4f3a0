/**
 * A history of benchmarks: a file with one run a line, as JSON. Runs are appended. A file that has
 * grown to the limit loses its oldest runs.
 */
import { constants } from 'node:fs'
import { access, open, stat } from 'node:fs/promises'
import { expect, SpikewasmError } from '../errors.js'
import { kindOfPath, readFileClear, writeFileAtomic } from '../io/files.js'
import * as v from '../runtime/vendor/valibot/index.js'
import { type Origin, originSchema } from './compare/origin.js'

/** So many runs are kept, in at most so many bytes. */
export const MOST_RUNS = 5000
export const MOST_BYTES = 64 * 2 ** 20
/** When the limit is reached, so much stays: else each run would write the file anew. */
const KEPT_SHARE = 0.9
const SCHEMA = 1
const MOST_FIGURES = 20_000
const DIGITS = 5

const figureSchema = v.object({
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(400)),
  value: v.pipe(v.number(), v.finite()),
  unit: v.pipe(v.string(), v.maxLength(40)),
  /** What disturbed it: busy, throttled, noisy, unsteady. */
  marks: v.optional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(100))), v.maxLength(20))),
})
/** A figure of a run; smaller is better. */
export type HistoryFigure = v.InferOutput<typeof figureSchema>

/** How long was measured, and whether in one process or in turns in several. */
const modes = ['quick', 'thorough', 'compared', 'compared quick'] as const
export type Mode = (typeof modes)[number]

const runSchema = v.object({
  schema: v.literal(SCHEMA),
  origin: originSchema,
  /** Figures of different modes are not on one curve. */
  mode: v.picklist(modes),
  figures: v.pipe(v.array(figureSchema), v.maxLength(MOST_FIGURES)),
})
/** A line of a history. */
export type HistoryRun = v.InferOutput<typeof runSchema>

/**
 * Appends a run.
 * @throws SpikewasmError when the file is something else than a history, or cannot be written, or
 *   a figure is no number; then nothing is written
 */
export async function appendHistory(
  path: string,
  origin: Origin,
  figures: readonly HistoryFigure[],
  mode: Mode,
): Promise<void> {
  const wrong = figures.find(({ value }) => !Number.isFinite(value))
  expect(
    wrong === undefined,
    () => `${path}: figures of a history must be numbers, got ${wrong?.value} of "${wrong?.name}"`,
  )
  const run: HistoryRun = {
    schema: SCHEMA,
    origin,
    mode,
    figures: figures
      .slice(0, MOST_FIGURES)
      .map((figure) => ({ ...figure, value: Number(figure.value.toPrecision(DIGITS)) })),
  }
  const line = `${JSON.stringify(run)}\n`
  const isThere = (await kindOfPath(path)) !== undefined
  const old = isThere ? await readText(path) : ''
  const lines = old.split('\n')
  checkStart(path, old)
  const isFull = lines.length > MOST_RUNS || old.length + line.length > MOST_BYTES
  if (isFull) await writeFileAtomic(path, encode(`${newest(lines)}${line}`))
  // What a crash left of a line must not swallow this one.
  else await append(path, old === '' || old.endsWith('\n') ? line : `\n${line}`)
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

/** The newest lines within the share that stays. */
function newest(lines: readonly string[]): string {
  const kept: string[] = []
  let bytes = 0
  for (const line of lines.filter((text) => text !== '').toReversed()) {
    bytes += line.length + 1
    if (kept.length >= KEPT_SHARE * MOST_RUNS || bytes > KEPT_SHARE * MOST_BYTES) break
    kept.push(line)
  }
  return kept
    .toReversed()
    .map((line) => `${line}\n`)
    .join('')
}

/** One write at the end of the file: runs at the same time do not mix their lines. */
async function append(path: string, text: string): Promise<void> {
  try {
    if ((await kindOfPath(path)) !== undefined)
      expect(
        (await stat(path)).isFile(),
        () => `${path}: must be a regular file, got something else; choose another path`,
      )
    const file = await open(path, 'a')
    try {
      await file.write(encode(text))
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (error) {
    if (error instanceof SpikewasmError) throw error
    throw new SpikewasmError(
      `${path}: the history could not be written: ${(error as Error).message}`,
      { cause: error },
    )
  }
}

/**
 * Checks what runs will be appended to, before they are measured.
 * @param page of all runs, where there shall be one: then each line must be a run
 * @throws SpikewasmError when it is something else than a history, or cannot be written to
 */
export async function checkHistory(path: string, page?: string): Promise<void> {
  if ((await kindOfPath(path)) === undefined) return
  await access(path, constants.W_OK).catch(() => {
    throw new SpikewasmError(
      `${path}: the history could not be written: writing to it is not permitted; change its ` +
        'permissions',
    )
  })
  if (page !== undefined) await readHistory(path)
  else checkStart(path, await readText(path))
}

/** Another file, named by mistake, stays as it is. */
function checkStart(path: string, text: string): void {
  if (text !== '') parseLine(path, text.split('\n', 1)[0], 1)
}

async function readText(path: string): Promise<string> {
  const bytes = await readFileClear(path, 'bench.history')
  expect(
    bytes.length <= 2 * MOST_BYTES,
    () => `${path}: must be a history of at most ${2 * MOST_BYTES} bytes, got ${bytes.length}`,
  )
  return new TextDecoder().decode(bytes)
}

/**
 * All runs, the oldest first.
 * @throws SpikewasmError that names the line that is no run
 */
export async function readHistory(path: string): Promise<HistoryRun[]> {
  const lines = (await readText(path)).split('\n')
  return lines.flatMap((line, i) => (line.trim() === '' ? [] : [parseLine(path, line, i + 1)]))
}

function parseLine(path: string, line: string, number: number): HistoryRun {
  const broken = (why: string): never => {
    throw new SpikewasmError(
      `${path}: line ${number} must be a run of a history, got ${why}; remove the line or choose ` +
        'another file',
    )
  }
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return broken(line === '' ? 'an empty line' : 'no JSON: the line may be cut')
  }
  const { success, output, issues } = v.safeParse(runSchema, value)
  return success ? output : broken(`${v.getDotPath(issues[0]) ?? 'it'}: ${issues[0].message}`)
}
