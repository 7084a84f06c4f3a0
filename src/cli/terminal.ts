/**
 * What commands print is text. It may hold names of files, of jobs in Redis, of layers, or what
 * others' errors say. A terminal obeys none of it: `guardTerminal` escapes all that is written.
 * Codes of our own, such as those of a bar, go to `codeStream`, and with them only text that was
 * escaped before.
 */

import { createRequire } from 'node:module'
import type { SingleBar } from 'cli-progress'
import type { Table } from 'cli-table3'
import { plainText, printable } from '../base/errors.js'
import { decimal, percent } from '../train/callbacks/epoch-line.js'
import type { Operations } from '../train/operations.js'
import { present } from './spec.js'

type Stream = NodeJS.WriteStream
type Write = Stream['write']

/** What a guarded stream had before, and what it has now. */
const guarded = new WeakMap<Stream, { readonly write: Write; readonly escaping: Write }>()

/** From now on standard output and standard error get text alone. */
export function guardTerminal(): void {
  for (const stream of [process.stdout, process.stderr]) guard(stream)
}

function guard(stream: Stream): void {
  if (guarded.get(stream)?.escaping === stream.write) return
  const write = stream.write.bind(stream)
  const escaping = ((chunk: string | Uint8Array, ...rest: []) =>
    write(
      printable(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()),
      ...rest,
    )) as Write
  guarded.set(stream, { write, escaping })
  stream.write = escaping
}

/** The same stream, for codes that a terminal is to obey. */
export function codeStream(stream: Stream): Stream {
  const { write } = guarded.get(stream) ?? { write: stream.write.bind(stream) }
  return Object.create(stream, { write: { value: write } }) as Stream
}

/**
 * A line that says what is done now, in place of the one before, where standard error is a
 * terminal; '' takes it away.
 */
export function overwrite(text: string): void {
  if (process.stderr.isTTY) codeStream(process.stderr).write(`\r\u001b[K${printable(text)}`)
}

export const printJson = (value: object): void =>
  void process.stdout.write(`${JSON.stringify(value)}\n`)

/** What a command has found: a line of JSON where that is asked for, else a text. */
export function answer(json: boolean | undefined, value: object, text: () => string): void {
  if (json) printJson(value)
  else process.stdout.write(`${text()}\n`)
}

// Packages are read when the first table or bar is shown: JSON output needs none.
const require = createRequire(import.meta.url)

/**
 * A table for people.
 *
 * @param sides of each column's text: `l` or `r`
 * @param head undefined: none
 */
export function tableText(
  sides: string,
  head: readonly string[] | undefined,
  rows: readonly (readonly string[])[],
  compact = true,
): string {
  const Table = require('cli-table3') as typeof import('cli-table3')
  const table: Table = new Table({
    ...(head && { head: [...head] }),
    style: { head: [], border: [], compact },
    colAligns: [...sides].map((side) => (side === 'r' ? 'right' : 'left')),
  })
  table.push(...rows.map((row) => [...row]))
  return table.toString()
}

/** Loaded when the first bar is shown. */
export const singleBar = (): typeof SingleBar =>
  (require('cli-progress') as typeof import('cli-progress')).SingleBar

/** A bar for work that reports its share, where standard error is a terminal. */
export function shareBar(quiet: boolean): { show(what: string, done: number): void; stop(): void } {
  if (quiet || !process.stderr.isTTY) return { show() {}, stop() {} }
  const bar = new (singleBar())({
    format: '{what} [{bar}] {percentage} %',
    barsize: 20,
    clearOnComplete: true,
    hideCursor: true,
    gracefulExit: true,
    stream: codeStream(process.stderr),
  })
  return {
    show(name, done) {
      const what = plainText(name)
      if (bar.isActive) bar.update(done, { what })
      else bar.start(1, done, { what })
    },
    stop: () => bar.stop(),
  }
}

export { decimal, percent }

export const speedText = (speed: number): string => `${Math.round(speed)} samples/s`

/** A table of two columns. */
export const keyValueTable = (rows: readonly (readonly [string, string] | false)[]): string =>
  tableText('lr', undefined, present(rows))

/** One row for each layer. */
export const rateRows = (firingRates: Record<string, number>): [string, string][] =>
  Object.entries(firingRates).map(([name, rate]) => [`firing rate, layer ${name}`, rate.toFixed(4)])

/** What one sample takes, by NeuroBench's definitions. */
export function operationRows(operations: Operations | undefined): [string, string][] {
  if (!operations) return []
  const count = (n: number): string => Math.round(n).toLocaleString('en')
  return [
    ['effective MACs a sample', count(operations.effectiveMacs)],
    ['effective ACs a sample', count(operations.effectiveAcs)],
    ['dense operations', count(operations.dense)],
    ['membrane updates', count(operations.membraneUpdates)],
    ['activation sparsity', operations.activationSparsity.toFixed(4)],
    ['connection sparsity', operations.connectionSparsity.toFixed(4)],
    ['energy (45 nm, Horowitz)', `${operations.energy.microjoules.toPrecision(3)} µJ`],
  ]
}

/** The most that the process has held in memory so far, in MB of 2²⁰ bytes. */
export const peakMemoryMB = (): number => process.resourceUsage().maxRSS / 1024
