/** What a person or a program sees while a network is trained. */

import { plainText } from '../errors.js'
import { decimal, epochLine, inkFor, percent } from '../train/callbacks/epoch-line.js'
import { stepBar } from '../train/callbacks/progress.js'
import type { Operations } from '../train/operations.js'
import type { EpochRecord, StepInfo } from '../train/records.js'
import { newBar, newTable, singleBar } from './tables.js'
import { codeStream } from './terminal.js'

export { decimal, percent }

/** The last JSON line of `train`. */
export interface TrainSummary {
  readonly final: true
  /** 0…1; null when training was stopped before the last weights were tested. */
  readonly testAccuracy: number | null
  readonly testLoss: number | null
  /** Of the last epoch; null when there was no step. */
  readonly trainLoss: number | null
  readonly trainAccuracy: number | null
  /** Median over all steps. */
  readonly stepMs: number | null
  readonly samplesPerSecond: number | null
  readonly peakMemoryMB: number
  /** Spikes per neuron and step by layer, 0…1, of the last epoch. */
  readonly firingRates: Record<string, number>
  readonly dataset: string
  readonly model: string
  readonly parameters: number
  readonly method: string
  readonly stepMode: string
  readonly timeSteps: number
  readonly batchSize: number
  readonly threads: number
  readonly seed: number
  readonly epochs: number
  /** Whether a signal ended the training. */
  readonly aborted: boolean
  /** Why a callback ended the training, such as --early-stopping; null when none did. */
  readonly stopped: string | null
  /** Folder with the files; null without --out. */
  readonly out: string | null
}

export interface Reporter {
  step(info: StepInfo): void
  /** `best`: whether it is the best so far. */
  epoch(record: EpochRecord, best: boolean): void
  /** Removes the progress bar, so that other text can be written. */
  pause(): void
  summary(summary: TrainSummary): void
}

/**
 * One JSON object a line.
 *
 * @param run what each line says of the run
 */
export function jsonReporter(run: object): Reporter {
  const print = (value: object): void => printJson({ ...value, ...run })
  return {
    step() {},
    epoch: (record) => print(record),
    pause() {},
    summary: print,
  }
}

export function printJson(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

/**
 * Lines and a table, and a progress bar where standard error is a terminal.
 *
 * @param rates firing rates of the last step by layer
 */
export function humanReporter(epochs: number, rates: () => Record<string, number>): Reporter {
  const bar = process.stderr.isTTY
    ? stepBar(singleBar() as never, codeStream(process.stderr), rates)
    : undefined
  const ink = inkFor(process.stdout)
  return {
    step: (info) => bar?.step(info),
    epoch(record, best) {
      bar?.stop()
      codeStream(process.stdout).write(`${epochLine(record, epochs, { best, ink })}\n`)
    },
    pause: () => bar?.stop(),
    summary: (summary) => void process.stdout.write(`${summaryTable(summary)}\n`),
  }
}

/** A bar for work that reports its share, where standard error is a terminal. */
export function shareBar(quiet: boolean): { show(what: string, done: number): void; stop(): void } {
  if (quiet || !process.stderr.isTTY) return { show() {}, stop() {} }
  const bar = newBar({
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

function summaryTable(summary: TrainSummary): string {
  const { testAccuracy, trainLoss, stepMs, samplesPerSecond, peakMemoryMB, firingRates } = summary
  const known = (value: number | null, show: (value: number) => string): string =>
    value === null ? 'unknown' : show(value)
  return keyValueTable([
    ['test accuracy', known(testAccuracy, percent)],
    ['train loss', known(trainLoss, decimal)],
    ['median step', known(stepMs, (ms) => `${ms.toFixed(2)} ms`)],
    ['speed', known(samplesPerSecond, (speed) => `${Math.round(speed)} samples/s`)],
    ['peak memory', `${peakMemoryMB.toFixed(0)} MB`],
    ...rateRows(firingRates),
  ])
}

/** A table of two columns. */
export function keyValueTable(rows: readonly (readonly [string, string])[]): string {
  const table = newTable({
    style: { head: [], border: [], compact: true },
    colAligns: ['left', 'right'],
  })
  table.push(...rows.map(([key, value]) => [key, value]))
  return table.toString()
}

/** One row for each layer. */
export function rateRows(firingRates: Record<string, number>): [string, string][] {
  return Object.entries(firingRates).map(([layer, rate]) => [
    `firing rate, layer ${layer}`,
    rate.toFixed(4),
  ])
}

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
export function peakMemoryMB(): number {
  return process.resourceUsage().maxRSS / 1024
}
