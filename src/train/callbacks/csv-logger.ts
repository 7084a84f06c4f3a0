/** Writes epochs to a CSV file. */

import { describe, fail, listNames, SpikewasmError } from '../../base/errors.js'
import { own } from '../../base/objects.js'
import { complete, truth } from '../../base/rules.js'
import * as v from '../../engine/vendor/valibot/index.js'
import type { NetworkJson } from '../../network/json.js'
import { fires } from '../../network/kind.js'
import type { Layer } from '../../nn/layers/index.js'
import { type Callback, exclusive, type FitStart, type Training } from '../callback.js'
import { keptAs, nameOf } from '../callback-state.js'
import type { EpochRecord } from '../records.js'
import { snapshotOf } from '../snapshot.js'

/** Options of `csvLogger`; each has a default. */
export interface CsvLoggerOptions {
  /** Whether lines go behind those that are in the file; default false. */
  append?: boolean
  /** Whether a file that is there may be written over; default false: it is refused. */
  overwrite?: boolean
  /** Its name, which no other callback may have; default 'csvLogger'. */
  name?: string
}

/** What it keeps from checkpoint to checkpoint: how much of the file the checkpoint knows. */
const schema = v.object({
  kind: v.literal('csvLogger'),
  bytes: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
})

type Kept = v.InferOutput<typeof schema>

/**
 * Writes a line for each complete epoch to a CSV file: the figures of its record, then the firing
 * rate of each layer as `firingRates.NAME`. A training that is resumed goes on behind the line of
 * its checkpoint's last epoch, whatever the file holds behind it.
 *
 * @param path the file; its folder must exist
 * @throws SpikewasmError for wrong options; when training starts, for a file that is there already
 */
export function csvLogger(path: string, options: CsvLoggerOptions = {}, ...more: []): Callback {
  if (typeof path !== 'string' || path === '')
    fail(`csvLogger's path must be the path of a file, got ${describe(path)}`)
  const rules = { append: truth(false), overwrite: truth(false), name: nameOf('csvLogger') }
  const { name, append, overwrite } = complete('csvLogger', rules, options, more)
  if (append && overwrite)
    fail('csvLogger.append and csvLogger.overwrite exclude one another; leave one out')
  let kept: Kept | undefined
  let table = new CsvTable(path)
  return exclusive({
    name,
    async begin(start, training) {
      const known = start.resumed ? kept?.bytes : undefined
      kept = undefined
      table = new CsvTable(path)
      await writing(path, () => table.open({ append, overwrite }, known, start, training))
      return {
        async onEpoch(record) {
          if (!record.partial) await writing(path, () => table.add(record))
        },
      }
    },
    state: (): Kept => ({ kind: 'csvLogger', bytes: table.bytes }),
    restore(state) {
      kept = keptAs(name, schema, state)
    },
  })
}

/** The file of one training. */
class CsvTable {
  /** How much of the file is written. */
  bytes = 0
  private columns: readonly string[] | undefined
  /** Ends a line, as in the file that is there. */
  private end = '\n'

  constructor(private readonly path: string) {}

  /** @param asked how much of the file a checkpoint knows */
  async open(
    { append, overwrite }: CsvLoggerOptions,
    asked: number | undefined,
    start: FitStart,
    training: Training,
  ): Promise<void> {
    const { appendFile, truncate, writeFile } = await import('node:fs/promises')
    const { path } = this
    const { resumed, epoch, step } = start
    const found = await textOf(path)
    // Killed before its first checkpoint: nothing of the file counts, if it is one of ours.
    const isStart = resumed && !append && step === 0 && snapshotOf(training).about.first === epoch
    const known = asked ?? (isStart && found && isTable(found) ? 0 : undefined)
    if (known === undefined && found && !append && !overwrite)
      fail(
        `csvLogger: ${JSON.stringify(path)} is there already; give append: true to go on ` +
          'behind it, or overwrite: true to write over it',
      )
    const old = (known !== undefined || append ? found : undefined) ?? ''
    const written = new TextEncoder().encode(old)
    this.bytes = Math.min(known ?? written.length, written.length)
    // Opened for writing now: hours of training are not spent first.
    if (found === undefined || this.bytes === 0) await writeFile(path, '')
    else await truncate(path, this.bytes)
    const [head] = (this.bytes === 0 ? '' : old).split('\n', 1)
    this.end = head.endsWith('\r') ? '\r\n' : '\n'
    const cells = head.replace(/\r$/, '')
    this.columns = cells === '' ? undefined : parseLine(cells)
    if (this.columns) expectColumns(path, this.columns, columnsOf(start, training))
    if (this.bytes > 0 && written[this.bytes - 1] !== 0x0a) {
      await appendFile(path, this.end)
      this.bytes += this.end.length
    }
  }

  async add(record: EpochRecord): Promise<void> {
    const { appendFile } = await import('node:fs/promises')
    const { path, end, columns } = this
    const figures = numbersOf(record)
    const names = columns ?? Object.keys(figures)
    expectColumns(path, names, Object.keys(figures))
    const row = names.map((name) => String(own(figures, name) ?? ''))
    const text = (columns ? '' : lineOf(names, end)) + lineOf(row, end)
    this.columns = names
    await appendFile(path, text)
    this.bytes += new TextEncoder().encode(text).length
  }
}

/** Whether it begins as what we write does. */
const isTable = (text: string): boolean => /^epoch,trainLoss,/.test(text)

/** Those that records will have, as far as it is known before the first. */
function columnsOf(start: FitStart, training: Training): string[] {
  const { nodes } = snapshotOf(training).about.setting.network as NetworkJson
  const neurons = nodes.filter(({ kind, layer }) => layer && fires({ ...layer, kind } as Layer))
  return [...start.figures, ...neurons.map((node) => `firingRates.${node.name}`)]
}

/** @throws SpikewasmError where one is missing */
function expectColumns(path: string, columns: readonly string[], wanted: readonly string[]): void {
  const missing = wanted.filter((name) => !columns.includes(name))
  if (missing.length !== 0)
    fail(
      `csvLogger: ${JSON.stringify(path)} has no column for ${listNames(missing)}; give another ` +
        'file, or overwrite: true to write over it',
    )
}

/** The numbers of a record, by column. */
function numbersOf(whole: EpochRecord): Readonly<Record<string, number>> {
  const { firingRates, metrics = {}, ...record } = whole
  const numbers = Object.entries(record).filter(([, value]) => typeof value === 'number')
  const own = Object.entries(metrics).map(([name, value]) => [`metrics.${name}`, value])
  const rates = Object.entries(firingRates).map(([name, rate]) => [`firingRates.${name}`, rate])
  return Object.fromEntries([...numbers, ...own, ...rates]) as Record<string, number>
}

/** A line by RFC 4180, but that a name has no line break. */
const lineOf = (cells: readonly string[], end: string): string =>
  `${cells.map(cellOf).join(',')}${end}`

const cellOf = (text: string): string => {
  const line = text.replace(/[\r\n]+/g, ' ')
  return /[",]/.test(line) ? `"${line.replaceAll('"', '""')}"` : line
}

/** The cells of a line that `lineOf` wrote. */
const parseLine = (line: string): string[] =>
  [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) =>
    quoted === undefined ? plain : quoted.replaceAll('""', '"'),
  )

/** The text of a file; undefined where there is none. */
async function textOf(path: string): Promise<string | undefined> {
  const { readFile } = await import('node:fs/promises')
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Faults of the system in our words. */
async function writing<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof SpikewasmError) throw error
    fail(
      `csvLogger: ${JSON.stringify(path)} must be a file that can be written: ` +
        `${(error as Error).message}`,
      error,
    )
  }
}
