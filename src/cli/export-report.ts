/** What `export` prints. */

import type { NetInfo } from '../edge/abi.js'
import type { NetEvaluation } from '../edge/accuracy.js'
import type { Evaluation } from '../train/evaluate.js'
import { percent } from './report.js'
import { tableText } from './terminal.js'

/** One exported file. */
export interface ExportedFile {
  readonly file: string
  readonly bytes: Uint8Array
  readonly info: NetInfo
  /** Undefined when no data were at hand. */
  readonly evaluation: NetEvaluation | undefined
}

export interface ExportResult {
  /** Name of the network. */
  readonly model: string
  readonly files: readonly ExportedFile[]
  readonly header: string
  /** What the model does that was exported. */
  readonly evaluation: Evaluation | undefined
  /** Name of the data that both were measured on. */
  readonly data: string | undefined
  readonly milliseconds: number
}

/** The line of `--json`. */
export function exportJson(result: ExportResult): object {
  const { files, header, evaluation, model, milliseconds } = result
  const [{ info }] = files
  return {
    final: true,
    model,
    files: files.map(({ file, bytes, info: own, evaluation: of }) => ({
      file,
      target: own.target,
      bytes: bytes.length,
      overheadBytes: bytes.length - own.weightBytes,
      memoryBytes: own.memoryBytes,
      usedBytes: own.usedBytes,
      accuracy: of?.accuracy ?? null,
      correct: of?.correct ?? null,
    })),
    header,
    mode: info.mode,
    precision: info.weights,
    inputType: info.inputType,
    timeSteps: info.timeSteps,
    stepMode: info.stepMode,
    parameters: info.parameters,
    weightBytes: info.weightBytes,
    synopsMax: info.synops.max,
    synopsMean: info.synops.mean ?? null,
    modelAccuracy: evaluation?.accuracy ?? null,
    samples: evaluation?.count ?? null,
    firingRates: evaluation?.firingRates ?? {},
    exportMs: milliseconds,
  }
}

/** A table of the files, and lines about the network. */
export function exportTables(result: ExportResult): string {
  const { files, header, evaluation, data, model, milliseconds } = result
  const [{ info }] = files
  const head = ['file', 'bytes', 'over the weights', 'memory', 'used', 'accuracy']
  const rows = files.map(({ file, bytes, info: own, evaluation: of }) => [
    file,
    count(bytes.length),
    count(bytes.length - own.weightBytes),
    `${own.memoryBytes / 1024} KB`,
    count(own.usedBytes),
    of ? percent(of.accuracy) : 'not measured',
  ])
  const what = `mode ${info.mode}, weights ${info.weights}, input ${info.inputType}`
  const { mean, max } = info.synops
  const measured = mean && `; at most ${count(Math.round(mean))} from measured rates`
  return [
    `${model}: ${count(info.parameters)} parameters; ${what}, T ${info.timeSteps}`,
    tableText('lrrrrr', head, rows),
    `synaptic operations of an inference: ${count(max)} if all fire${measured ?? ''}`,
    ...(evaluation
      ? [`the model itself: ${percent(evaluation.accuracy)} of ${evaluation.count}, ${data}`]
      : []),
    `wrote ${header} beside; exported in ${(milliseconds / 1000).toFixed(1)} s`,
  ].join('\n')
}

const count = (value: number): string => value.toLocaleString('en-US')
