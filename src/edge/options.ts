/** Options of `exportWasm`: checked and completed. */

import { checkInteger, checkOptions, describe, expect } from '../errors.js'
import { checkSource, type EngineSource } from '../runtime/load.js'
import {
  type ExportOptions,
  type InputType,
  inputTypes,
  type NetMode,
  type NetTarget,
  netModes,
  targets,
  type WeightType,
  weightTypes,
} from './abi.js'

/** What of a model the options are checked against. */
export interface ExportFacts {
  readonly channels: number
  readonly classes: number
}

/** The options with their defaults. */
export interface ExportSettings {
  readonly target: NetTarget | 'both'
  readonly mode: NetMode
  readonly weights: WeightType
  readonly labels: readonly string[] | undefined
  readonly mean: readonly number[] | undefined
  readonly std: readonly number[] | undefined
  readonly inputType: InputType
  readonly name: string | undefined
  readonly batchSize: number
  readonly synops: number | undefined
  readonly wasm: EngineSource | undefined
  readonly onProgress: (done: number) => void
}

const known = [
  'target',
  'mode',
  'weights',
  'labels',
  'mean',
  'std',
  'inputType',
  'name',
  'batchSize',
  'synops',
  'wasm',
  'onProgress',
] as const satisfies readonly (keyof ExportOptions)[]

/** Texts in the file and its header stay in one line, and a C string ends at a NUL. */
const TEXT_LIMIT = 500

/**
 * @returns the options, completed
 * @throws SpikewasmError that names the first option that is wrong
 */
export function checkExportOptions(
  options: ExportOptions,
  { channels, classes }: ExportFacts,
): ExportSettings {
  checkOptions('exportWasm', options, known)
  const { labels, mean, std, name, synops, wasm, onProgress } = options
  const target = choice('target', options.target, [...targets, 'both'] as const, 'simd')
  const mode = choice('mode', options.mode, netModes, 'infer')
  const weights = choice('weights', options.weights, weightTypes, 'f32')
  const inputType = choice('inputType', options.inputType, inputTypes, 'f32')
  expect(
    weights === 'f32' || mode !== 'train',
    () => 'exportWasm.weights must be f32 with mode train, got "int8"; whole numbers do not learn',
  )
  if (labels !== undefined) checkLabelTexts(labels, classes)
  if (mean !== undefined) checkChannels('mean', mean, channels, inputType)
  if (std !== undefined) checkChannels('std', std, channels, inputType)
  if (name !== undefined) checkText('name', name)
  const { batchSize = 1 } = options
  checkInteger('exportWasm.batchSize', batchSize, 1, 1 << 16)
  expect(
    batchSize === 1 || mode === 'train',
    () =>
      `exportWasm.batchSize must be left out with mode ${mode}, got ${batchSize}; it is for mode ` +
      'train',
  )
  expect(
    synops === undefined || (Number.isFinite(synops) && synops >= 0),
    () => `exportWasm.synops must be a finite number >= 0, got ${describe(synops)}`,
  )
  if (wasm !== undefined) checkSource('exportWasm.wasm', wasm, 'engine-named')
  expect(
    onProgress === undefined || typeof onProgress === 'function',
    () => `exportWasm.onProgress must be a function, got ${describe(onProgress)}`,
  )
  return {
    target,
    mode,
    weights,
    labels,
    mean,
    std,
    inputType,
    name,
    batchSize,
    synops,
    wasm,
    onProgress: onProgress ?? (() => {}),
  }
}

function choice<T extends string>(
  option: string,
  value: T | undefined,
  names: readonly T[],
  fallback: T,
): T {
  expect(
    value === undefined || names.includes(value),
    () => `exportWasm.${option} must be one of ${names.join(', ')}, got ${describe(value)}`,
  )
  return value ?? fallback
}

function checkText(option: string, value: unknown): void {
  expect(
    typeof value === 'string' &&
      value.length > 0 &&
      value.length <= TEXT_LIMIT &&
      !/\p{Cc}/u.test(value),
    () =>
      `exportWasm.${option} must be text of 1 to ${TEXT_LIMIT} characters without line ends and ` +
      `other control characters, got ${describe(value)}`,
  )
}

function checkLabelTexts(labels: readonly string[], classes: number): void {
  expect(
    Array.isArray(labels) && labels.length === classes,
    () =>
      `exportWasm.labels must be a list with a name for each of the ${classes} classes, got ` +
      (Array.isArray(labels) ? String(labels.length) : describe(labels)),
  )
  for (const [i, label] of labels.entries()) checkText(`labels[${i}]`, label)
}

function checkChannels(
  option: 'mean' | 'std',
  values: readonly number[],
  channels: number,
  inputType: InputType,
): void {
  const name = `exportWasm.${option}`
  expect(
    inputType === 'u8',
    () =>
      `${name} must be left out with inputType 'f32', got ${describe(values)}; it is for ` +
      "inputType 'u8': float32 input is what predict takes, already normalised",
  )
  expect(
    Array.isArray(values) && values.length === channels,
    () =>
      `${name} must be a list with a number for each of the ${channels} channels, got ` +
      `${Array.isArray(values) ? values.length : describe(values)}`,
  )
  const least = option === 'std' ? ' > 0' : ''
  for (const [channel, value] of values.entries())
    expect(
      Number.isFinite(value) &&
        (option === 'mean' || Math.fround(value) > 0) &&
        Number.isFinite(Math.fround(value)),
      () =>
        `${name} must hold finite numbers${least}, got ${describe(value)} for channel ${channel}`,
    )
}
