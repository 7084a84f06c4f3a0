/** `spikewasm export`: its options, and what they mean for `exportWasm`. */

import { type Command, Option } from 'commander'
import { type ExportOptions, inputTypes, netModes, targets, weightTypes } from '../edge/abi.js'
import { describe, expect } from '../errors.js'
import { kindOfPath, readFileClear } from '../io/files.js'
import type { ModelData } from '../io/model-json.js'
import type { SaveNirOptions } from '../io/nir/options.js'
import type { PretrainedName } from '../models/pretrained.js'
import type { ModelName } from '../models/registry.js'
import type { Method, StepMode } from '../plan/methods.js'
import { type DataArguments, datasets } from './datasets.js'
import { withFiles } from './mistakes.js'
import { type NirArguments, nirOptions } from './nir.js'
import { counting, fromRun, named, numbers, shared } from './options.js'
import { modelOptions } from './which-model.js'

export interface ExportArguments extends Partial<Omit<DataArguments, 'augment' | 'limitTrain'>> {
  readonly run?: string
  readonly best: boolean
  readonly weights?: string
  readonly pretrained?: PretrainedName
  readonly model?: ModelName
  readonly input?: readonly number[]
  readonly classes?: number
  readonly timeSteps?: number
  readonly tau?: number
  readonly method?: Method
  readonly stepMode?: StepMode
  readonly target: NonNullable<ExportOptions['target']>
  readonly mode: NonNullable<ExportOptions['mode']>
  readonly precision: NonNullable<ExportOptions['weights']>
  readonly inputType: NonNullable<ExportOptions['inputType']>
  readonly mean?: readonly number[]
  readonly std?: readonly number[]
  readonly labels?: string
  readonly name?: string
  readonly batchSize?: number
  readonly out: string
  /** Write a file of NIR. */
  readonly nir?: boolean
  readonly dt?: number
  readonly discretisation?: SaveNirOptions['discretisation']
  readonly reset?: NirArguments['reset']
  readonly json: boolean
}

export function exportOptions(command: Command): Command {
  return command
    .addOption(modelOptions.run())
    .addOption(modelOptions.best())
    .addOption(modelOptions.weights())
    .addOption(modelOptions.pretrained())
    .addOption(
      new Option(
        '--out <file>',
        'where the module goes; NAME.wasm gets a NAME.h beside it, and with --target both ' +
          'becomes NAME.simd.wasm and NAME.scalar.wasm',
      ).makeOptionMandatory(),
    )
    .addOption(
      new Option(
        '--nir',
        'write a file of NIR for other simulators (needs h5wasm), not a module; so does a name ' +
          'that ends in .nir',
      ),
    )
    .addOption(nirOptions.dt())
    .addOption(nirOptions.discretisation())
    .addOption(nirOptions.reset())
    .addOption(named('--target <name>', 'instructions that it uses', [...targets, 'both'], 'simd'))
    .addOption(
      named(
        '--mode <name>',
        'infer: a whole sample in; step: a frame at a time, with state; both; train: it goes on ' +
          'learning',
        netModes,
        'infer',
      ),
    )
    .addOption(named('--precision <name>', 'how weights are stored', weightTypes, 'f32'))
    .addOption(
      named('--input-type <name>', 'float32 as predict takes, or bytes', inputTypes, 'f32'),
    )
    .addOption(
      numbers(
        '--mean <list>',
        "with bytes: subtracted from byte / 255, by channel (default: the data set's)",
      ),
    )
    .addOption(
      numbers('--std <list>', 'with bytes: divides what is left, by channel (default: likewise)'),
    )
    .addOption(
      new Option(
        '--labels <list>',
        'names of the classes, separated by commas, or a file with one a line ' +
          "(default: the data set's)",
      ),
    )
    .addOption(new Option('--name <text>', "name in the file (default: the network's)"))
    .addOption(fromRun(shared.model()))
    .addOption(
      numbers(
        '--input <list>',
        'shape of a sample: C,H,W, of a series C,L, of a vector F ' +
          "(default: the run's or the data set's)",
      ),
    )
    .addOption(
      counting('--classes <n>', "number of classes (default: the run's or the data set's)"),
    )
    .addOption(fromRun(shared.timeSteps()))
    .addOption(fromRun(shared.tau()))
    .addOption(fromRun(shared.method()))
    .addOption(fromRun(shared.stepMode()))
    .addOption(counting('--batch-size <n>', 'with --mode train: samples of one step (default: 1)'))
    .addOption(fromRun(shared.dataset()))
    .addOption(shared.data())
    .addOption(
      counting(
        '--limit-test <n>',
        'measure accuracy on the first n test samples (default: all with --data; 1000 for int8)',
      ),
    )
    .addOption(shared.revectorize())
    .addOption(shared.json())
}

/** `--labels`: a list, or a file with one a line; else those of the data that were trained with. */
export async function readLabels(
  text: string | undefined,
  { classNames }: ModelData,
  classes: number,
): Promise<readonly string[] | undefined> {
  if (text === undefined) return classNames?.length === classes ? classNames : undefined
  const isFile = (await kindOfPath(text)) === 'file'
  expect(
    isFile || text.includes(',') || !/[/\\]|\.(txt|json|csv)$/i.test(text),
    () =>
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
  expect(
    labels.length === classes,
    () =>
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
    for (const [option, value] of Object.entries({ mean, std }))
      expect(
        value === undefined,
        () =>
          `--${option} must be left out without --input-type u8, got ${value}; float32 input is ` +
          'what predict takes, already normalised',
      )
    return {}
  }
  const missing = (mean === undefined || std === undefined) && normalization === undefined
  expect(
    !missing || dataset === undefined || !('events' in datasets[dataset]),
    () =>
      `--mean and --std must be given with --input-type u8 for --dataset ${dataset}: its frames ` +
      'are counts of events and not byte / 255; --mean 0,0 --std 0.003921569,0.003921569 takes ' +
      'counts up to 255 as bytes',
  )
  expect(
    !missing,
    () =>
      `--${mean === undefined ? 'mean' : 'std'} must be given with --input-type u8, since the ` +
      "data set is not at hand, got none; give the training data's, or --data",
  )
  return { mean: mean ?? normalization?.mean, std: std ?? normalization?.std }
}
