/** Options of `exportWasm`: checked and completed. */

import { describe, fail } from '../base/errors.js'
import * as is from '../base/rules.js'
import { checkBy, complete, type Rule, type Rules } from '../base/rules.js'
import { checkSource } from '../engine/load.js'
import { type WeightType, weightTypes } from '../network/weights.js'
import { type ExportOptions, inputTypes, type NetMode, netModes, targets } from './abi.js'

/** The options with their defaults. */
export type ExportSettings = Required<
  Pick<ExportOptions, 'target' | 'mode' | 'weights' | 'inputType' | 'batchSize' | 'onProgress'>
> &
  Pick<ExportOptions, 'labels' | 'mean' | 'std' | 'name' | 'synops' | 'wasm'>

/** What options depend on. */
type ModelFacts = Readonly<Record<'channels' | 'classes', number>> & {
  readonly weights: WeightType
  readonly labels?: readonly string[]
}

/** Texts in the file and its header stay in one line, and a C string ends at a NUL. */
const TEXT_LIMIT = 500

/** Whether a file can have such weights: floats may be rounded, but not in one that learns. */
export const canStore = (weights: WeightType, trained: WeightType, mode: NetMode): boolean =>
  weights === trained || (trained === 'f32' && mode !== 'train')

/**
 * @returns the options, completed
 * @throws SpikewasmError that names the first option that is wrong
 */
export function checkExportOptions(
  options: ExportOptions,
  { channels, classes, weights: trained, labels }: ModelFacts,
): ExportSettings {
  const rules: Rules<ExportSettings> = {
    target: is.oneOf([...targets, 'both'], 'simd'),
    mode: is.oneOf(netModes, 'infer'),
    weights: is.oneOf(weightTypes, trained),
    labels: is.optional(
      is.by(
        (_, given) => checkLabelTexts(given, classes),
        labels?.every(text.fits) ? labels : undefined,
      ),
    ),
    mean: channelsOf(channels, 'finite numbers', is.finite(), options),
    std: channelsOf(channels, 'finite numbers > 0', is.range('> 0'), options),
    inputType: is.oneOf(inputTypes, 'f32'),
    name: is.optional(text),
    batchSize: is.integer(1, 1 << 16, 1),
    synops: is.optional(is.range('≥ 0')),
    wasm: is.optional(is.by((name, wasm) => checkSource(name, wasm, 'engine-named'))),
    onProgress: { ...is.aFunction(), preset: () => {} },
  }
  const all = complete('exportWasm', rules, options)
  const { mode, weights, batchSize } = all
  if (!canStore(weights, trained, mode))
    fail(
      `exportWasm.weights must be '${trained}' ${mode === 'train' ? 'with mode train' : 'here'}, ` +
        `as the model was compiled, got '${weights}'; leave it out, or compile with it`,
    )
  if (batchSize !== 1 && mode !== 'train')
    fail(
      `exportWasm.batchSize must be left out with mode ${mode}, got ${batchSize}; it is for mode ` +
        'train',
    )
  return all
}

const text = is.such<string>(
  `text of 1 to ${TEXT_LIMIT} characters without line ends and other control characters`,
  (value) =>
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= TEXT_LIMIT &&
    !/\p{Cc}/u.test(value),
)

function checkLabelTexts(labels: readonly string[], classes: number): void {
  if (!Array.isArray(labels) || labels.length !== classes)
    fail(
      `exportWasm.labels must be a list with a name for each of the ${classes} classes, got ` +
        (Array.isArray(labels) ? String(labels.length) : describe(labels)),
    )
  for (const [i, label] of labels.entries()) checkBy(`exportWasm.labels[${i}]`, text, label)
}

/** A number for each channel of bytes. */
const channelsOf = (
  channels: number,
  words: string,
  { fits }: Rule<number>,
  { inputType }: ExportOptions,
): Rule<readonly number[] | undefined> =>
  is.optional(
    is.by((name, values) => {
      if (inputType !== 'u8')
        fail(
          `${name} must be left out with inputType 'f32', got ${describe(values)}; it is for ` +
            "inputType 'u8': float32 input is what predict takes, already normalised",
        )
      if (!Array.isArray(values) || values.length !== channels)
        fail(
          `${name} must be a list with a number for each of the ${channels} channels, got ` +
            `${Array.isArray(values) ? values.length : describe(values)}`,
        )
      for (const [channel, value] of values.entries())
        if (!fits(value))
          fail(`${name} must hold ${words}, got ${describe(value)} for channel ${channel}`)
    }),
  )
