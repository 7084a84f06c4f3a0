/** `spikewasm predict` */

import { Argument, type Command } from 'commander'
import { expect, plainText, SpikewasmError } from '../errors.js'
import type { ModelData } from '../io/model-json.js'
import { readSamples, type SampleTarget } from '../io/samples/read.js'
import { compile } from '../network.js'
import { datasets } from './datasets.js'
import { type EventArguments, expectNoEvents, frameSpecs } from './event-options.js'
import { areRecordings, recordingReader } from './event-samples.js'
import { readLabels, scalingSpecs } from './export-options.js'
import { openFile } from './net-file.js'
import { nirSpecs } from './nir.js'
import { dataSpecs, lastSpecs, modelOfData, timeSpecs } from './options.js'
import {
  expectFileAlone,
  modelPredictor,
  netPredictor,
  type Predictor,
  scalingOf,
} from './predict-net.js'
import { percent, printJson } from './report.js'
import { type ArgumentsOf, addOptions, count, fromRun } from './spec.js'
import { readEncoded } from './still-samples.js'
import { newTable } from './tables.js'
import { givenModel, isNetFile, modelOrNetSpecs } from './which-model.js'

const predictSpecs = {
  ...modelOrNetSpecs,
  ...nirSpecs,
  ...frameSpecs,
  ...fromRun({ dataset: dataSpecs.dataset, ...modelOfData, ...timeSpecs }),
  ...scalingSpecs('of bytes', "the training data's"),
  topK: count('<n>', 'classes that are shown of each sample', { preset: 1 }),
  ...lastSpecs,
}

type PredictArguments = ArgumentsOf<typeof predictSpecs>

export const predictCommand = (command: Command): Command =>
  addOptions(command, predictSpecs)
    .description(
      'Say which class a trained model sees in images and arrays: .npy, .json, .bin, .pgm, .ppm, ' +
        '.png, .jpg, and recordings: .bin, .bs2, .aedat, .aedat4, .npy, .npz. Sizes must be ' +
        'those that the network takes; recordings are cut as the run says.',
    )
    .addArgument(new Argument('<file...>', 'samples; an array may hold several'))
    .action((files: string[], args: PredictArguments) => predict(files, args))

async function predict(files: readonly string[], args: PredictArguments): Promise<void> {
  const { weights } = args
  const asked = isNetFile(weights)
    ? await askedNet(files, args, weights)
    : await askedModel(files, args)
  const { predictor, data, reading } = asked
  const { classes } = predictor
  try {
    expect(
      args.topK <= classes,
      () => `--top-k must be at most the number of classes, ${classes}, got ${args.topK}`,
    )
    const names = await readLabels(args.labels, data ?? {}, classes)
    const rows: Row[] = []
    for (const file of files) {
      const answers = await answersOf(predictor, file, reading, names, args)
      if (answers === undefined) process.exitCode = 1
      else for (const answer of answers) rows.push(answer)
    }
    if (!args.json && rows.length > 0) process.stdout.write(`${table(rows)}\n`)
  } finally {
    await predictor.close()
  }
}

/** Who is asked, and how files become samples. */
interface Asked {
  readonly predictor: Predictor
  /** What is known of the data that it was trained with. */
  readonly data: ModelData | undefined
  readonly reading: Reading
}

async function askedModel(files: readonly string[], args: PredictArguments): Promise<Asked> {
  const given = await givenModel(args)
  const { run, options, data } = given
  const dataset = args.dataset ?? run?.dataset ?? given.dataset
  const ofEvents = areRecordings(dataset, files)
  if (!ofEvents) expectNoEvents(args, dataset ?? 'digits')
  const recording = ofEvents ? recordingReader(args, run, dataset) : undefined
  const known = datasets[dataset ?? (ofEvents ? 'events' : 'digits')]
  const input = options.input ?? known.shape
  const encoder = encoderOf(args, run, ofEvents)
  const frames = options.frames ?? (ofEvents || encoder !== undefined)
  const model = await compile(given.network(input, run?.classes ?? known.classes), {
    ...options,
    purpose: 'inference',
    input,
    frames,
    timeSteps: args.timeSteps ?? options.timeSteps ?? (ofEvents ? 10 : 4),
    batchSize: 16,
  })
  try {
    given.load(model)
    const predictor = modelPredictor(model)
    const normalization = normalizationOf(args, data)
    const encoded = encoder && { encoder, dataset, normalization }
    return {
      predictor,
      data,
      reading: { target: targetOf(predictor, normalization), recording, encoded },
    }
  } catch (error) {
    await model.dispose()
    throw error
  }
}

async function askedNet(
  files: readonly string[],
  args: PredictArguments,
  path: string,
): Promise<Asked> {
  const { net } = await openFile(path, '--weights')
  try {
    const { info } = net
    expectFileAlone(args, info)
    const { dataset } = args
    const ofEvents = areRecordings(dataset, files)
    if (!ofEvents) expectNoEvents(args, dataset ?? 'digits')
    const recording = ofEvents ? recordingReader(args, undefined, dataset) : undefined
    const encoder = encoderOf(args, undefined, ofEvents)
    const predictor = netPredictor(net, ofEvents || encoder !== undefined)
    const normalization = scalingOf(info) ?? normalizationOf(args, undefined)
    const encoded = encoder && { encoder, dataset, normalization }
    const target = targetOf(predictor, normalization)
    const data = { classNames: info.labels }
    return { predictor, data, reading: { target, recording, encoded } }
  } catch (error) {
    await net.close()
    throw error
  }
}

/** A sample and what the model says of it. */
interface Row {
  readonly file: string
  /** Its place in the file; undefined where that holds one sample. */
  readonly sample?: number
  readonly top: readonly Guess[]
}

interface Guess {
  readonly class: number
  readonly className?: string
  readonly probability: number
}

/** What files are to be, and what reads those that are recordings. */
interface Reading {
  readonly target: SampleTarget
  readonly recording: ReturnType<typeof recordingReader> | undefined
  /** How still samples become frames. */
  readonly encoded: Parameters<typeof readEncoded>[2] | undefined
}

/**
 * The encoder of still samples: that of the flag, else the run's.
 * @throws SpikewasmError for flags that would do nothing
 */
function encoderOf(
  { encoder, mean }: PredictArguments,
  run: EventArguments | undefined,
  ofEvents: boolean,
): EventArguments['encoder'] {
  expect(
    !ofEvents || encoder === undefined,
    () => `--encoder must be left out for recordings, which are frames already, got ${encoder}`,
  )
  const own = ofEvents ? undefined : (encoder ?? run?.encoder)
  expect(
    mean === undefined || own === undefined || own === 'constant',
    () =>
      `--mean and --std must be left out with the encoder ${own}, which reads byte / scale, got ` +
      mean,
  )
  return own
}

/** Undefined where the file cannot be read; that is said. */
async function answersOf(
  model: Predictor,
  file: string,
  { target, recording, encoded }: Reading,
  names: readonly string[] | undefined,
  { topK, json }: PredictArguments,
): Promise<Row[] | undefined> {
  try {
    const x =
      (await recording?.(file, model)) ??
      (await (encoded ? readEncoded(file, model, encoded) : readSamples(file, target)))
    const size = target.shape.reduce((product, n) => product * n, 1)
    const samples = x.length / size
    const rows: Row[] = []
    const most = model.batchSize
    for (let first = 0; first < samples; first += most) {
      const part = x.subarray(first * size, Math.min(first + most, samples) * size)
      const logits = await model.logits(part, file)
      for (let i = 0; i < part.length / size; i++) {
        const own = logits.subarray(i * model.classes, (i + 1) * model.classes)
        const top = best(own, topK, names)
        const sample = samples === 1 ? undefined : first + i
        if (json) printJson({ file, sample, ...top[0], top, logits: [...own] })
        else rows.push({ file, sample, top })
      }
    }
    return rows
  } catch (error) {
    if (!(error instanceof SpikewasmError)) throw error
    if (json) printJson({ file, error: error.message })
    else process.stderr.write(`spikewasm: ${error.message}\n`)
    return undefined
  }
}

/** The classes with the largest outputs; probabilities are their softmax. */
function best(logits: Float32Array, count: number, names: readonly string[] | undefined): Guess[] {
  const largest = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const shares = Array.from(logits, (logit) => Math.exp(logit - largest))
  const sum = shares.reduce((a, b) => a + b, 0)
  return shares
    .map((share, index) => ({
      class: index,
      ...(names && { className: names[index] }),
      probability: share / sum,
    }))
    .sort((a, b) => b.probability - a.probability || a.class - b.class)
    .slice(0, count)
}

function targetOf(model: Predictor, normalization: ModelData['normalization']): SampleTarget {
  const { input, frames, timeSteps } = model
  return { shape: frames ? [timeSteps, ...input] : input, normalization }
}

/** What the options say, else the file. */
function normalizationOf(
  { mean, std }: PredictArguments,
  data: ModelData | undefined,
): ModelData['normalization'] {
  const known = data?.normalization
  if (mean === undefined && std === undefined) return known
  expect(
    mean !== undefined && (std ?? [0]).every((value) => value > 0),
    () => `--mean and --std must be given together, std > 0, got ${mean} and ${std}`,
  )
  return { scale: known?.scale ?? 255, mean, std: std ?? [] }
}

function table(rows: readonly Row[]): string {
  const out = newTable({
    head: ['file', 'class', 'probability'],
    style: { head: [], border: [], compact: true },
    colAligns: ['left', 'left', 'right'],
  })
  for (const { file, sample, top } of rows)
    for (const [i, { class: index, className, probability }] of top.entries())
      out.push([
        i === 0 ? plainText(file) + (sample === undefined ? '' : ` [${sample}]`) : '',
        className === undefined ? String(index) : `${index} ${plainText(className)}`,
        percent(probability),
      ])
  return out.toString()
}
