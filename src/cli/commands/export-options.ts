/** `spikewasm export`: its options, and what they mean for `exportWasm`. */

import { describe, fail } from '../../base/errors.js'
import { type ExportOptions, inputTypes, netModes, targets } from '../../edge/abi.js'
import { kindOfPath, readFileClear } from '../../files/files.js'
import type { ModelData } from '../../files/json.js'
import { weightTypes } from '../../network/weights.js'
import { datasets } from '../datasets.js'
import { withFiles } from '../mistakes.js'
import * as shared from '../options.js'
import * as o from '../spec.js'
import { modelFileSpecs, nirTimeSpecs } from '../which-model.js'

/** How bytes are scaled, and what classes are called. */
export const scalingSpecs = (when: string, usual: string) => ({
  mean: o.numbers('<list>', `${when}: subtracted from byte / 255, by channel`, { usual }),
  std: o.numbers('<list>', `${when}: divides what is left, by channel`, { usual: 'likewise' }),
  labels: o.text('<list>', 'names of the classes, separated by commas, or a file with one a line', {
    usual,
  }),
})

/** What a module is. */
const moduleSpecs = {
  target: o.name('<name>', 'instructions that it uses', [...targets, 'both'], { preset: 'simd' }),
  mode: o.name(
    '<name>',
    'what it does; infer: a whole sample in; step: a frame at a time, with state; both; ' +
      'train: it goes on learning',
    netModes,
    { preset: 'infer' },
  ),
  precision: o.name('<name>', 'how weights are stored', weightTypes, { usual: "the model's" }),
  inputType: o.name('<name>', 'float32 as predict takes, or bytes', inputTypes, { preset: 'f32' }),
  ...scalingSpecs('with bytes', "the data set's"),
  name: o.text('<text>', 'name in the file', { usual: "the network's" }),
  batchSize: o.count('<n>', 'with --mode train: samples of one step', { usual: '1' }),
}

export const exportSpecs = {
  ...modelFileSpecs,
  ...o.under('Module', ['out', 'nir', 'target', 'mode', 'precision', 'inputType', 'labels'], {
    out: o.mandatory(
      o.text(
        '<file>',
        'where the module goes; NAME.wasm gets a NAME.h beside it, and with --target both ' +
          'becomes NAME.simd.wasm and NAME.scalar.wasm',
      ),
    ),
    nir: o.flag(
      'write a file of NIR for other simulators (needs h5wasm), not a module; so does a name ' +
        'that ends in .nir',
    ),
    ...nirTimeSpecs,
    ...moduleSpecs,
  }),
  ...o.fromRun(shared.modelOfData),
  ...o.under('Network', ['input', 'classes'], {
    input: o.numbers('<list>', 'shape of a sample: C,H,W, of a series C,L, of a vector F', {
      usual: "the run's or the data set's",
    }),
    classes: o.count('<n>', 'number of classes', { usual: "the run's or the data set's" }),
    ...o.fromRun({ ...shared.time, ...shared.method }),
  }),
  ...o.fromRun({ dataset: shared.data.dataset }),
  data: shared.data.data,
  ...o.under('Data', ['limitTest'], {
    limitTest: o.count('<n>', 'measure accuracy on the first n test samples', {
      usual: 'all with --data; 1000 for int8',
    }),
  }),
  ...shared.last,
}

/** Those that say what a module is, or what is measured of it. */
export const moduleKeys = [
  ...(Object.keys(moduleSpecs) as (keyof typeof moduleSpecs)[]),
  ...(['data', 'limitTest'] as const),
]

export type ExportArguments = o.ArgumentsOf<typeof exportSpecs>

/** `--labels`: a list, or a file with one a line; else those of the data that were trained with. */
export async function readLabels(
  text: string | undefined,
  { classNames }: ModelData,
  classes: number,
): Promise<readonly string[] | undefined> {
  if (text === undefined) return classNames?.length === classes ? classNames : undefined
  const isFile = (await kindOfPath(text)) === 'file'
  if (!isFile && !text.includes(',') && /[/\\]|\.(txt|json|csv)$/i.test(text))
    fail(
      `--labels must be names or a file, got ${describe(text)}, which looks like a file, but ` +
        'there is none; mind the path',
    )
  const lines = isFile
    ? new TextDecoder()
        .decode(await withFiles(() => readFileClear(text, '--labels')))
        .trimEnd()
        .split(/\r?\n/)
    : text.split(',')
  const labels = lines.map((line) => line.trim())
  if (labels.length !== classes)
    fail(
      `--labels must name each of the ${classes} classes, got ${labels.length} from the ` +
        (isFile
          ? `file ${describe(text)}, one a line`
          : `list ${describe(text)} (there is no file of that name, with one a line)`),
    )
  return labels
}

/**
 * Mean and deviation of bytes: those that are given, else those of the data.
 * @throws SpikewasmError when neither is at hand: bytes without them would give wrong answers
 */
export function scalingOf(
  { inputType, mean, std, dataset }: ExportArguments,
  { normalization }: ModelData,
): Pick<ExportOptions, 'mean' | 'std'> {
  if (inputType === 'f32') {
    const why = '; float32 input is what predict takes, already normalised'
    o.expectLeftOut({ mean, std }, ['mean', 'std'], 'without --input-type u8', why)
    return {}
  }
  const missing = (mean === undefined || std === undefined) && normalization === undefined
  if (missing && dataset !== undefined && datasets[dataset].events)
    fail(
      `--mean and --std must be given with --input-type u8 for --dataset ${dataset}: its frames ` +
        'are counts of events and not byte / 255; --mean 0,0 --std 0.003921569,0.003921569 takes ' +
        'counts up to 255 as bytes',
    )
  if (missing)
    fail(
      `--${mean === undefined ? 'mean' : 'std'} must be given with --input-type u8, since the ` +
        "data set is not at hand, got none; give the training data's, or --data",
    )
  return { mean: mean ?? normalization?.mean, std: std ?? normalization?.std }
}
