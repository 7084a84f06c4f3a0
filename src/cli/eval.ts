/** `spikewasm eval` */

import type { Command } from 'commander'
import type { Dataset } from '../data/dataset.js'
import { expect } from '../errors.js'
import type { Model } from '../model.js'
import { compile } from '../network.js'
import { imageShape, sizeOf } from '../nn/value.js'
import type { Evaluation } from '../train/evaluate.js'
import { classesOf, defaultThreads } from './datasets.js'
import { evaluateFile } from './eval-net.js'
import { frameSpecs, nirWindows } from './event-options.js'
import { loadData, stepsFor } from './load-data.js'
import { answersOf, classTable, confusionTable, topRows } from './metrics.js'
import { nirSpecs } from './nir.js'
import {
  lastSpecs,
  limitSpecs,
  modelOfData,
  savedDataSpecs,
  splitSpecs,
  threadSpecs,
  timeSpecs,
} from './options.js'
import {
  decimal,
  keyValueTable,
  operationRows,
  peakMemoryMB,
  percent,
  printJson,
  rateRows,
} from './report.js'
import { dataOf } from './run-folder.js'
import {
  type ArgumentsOf,
  addOptions,
  count,
  expectLeftOut,
  flag,
  fromRun,
  number,
  text,
} from './spec.js'
import {
  type GivenModel,
  givenModel,
  isNetFile,
  isNirFile,
  modelOrNetSpecs,
} from './which-model.js'

const evalSpecs = {
  ...frameSpecs,
  ...modelOrNetSpecs,
  on: text('<file>', 'exported network, a .wasm file: the very file runs, no weights are read'),
  ...nirSpecs,
  ...savedDataSpecs,
  ...fromRun({ ...modelOfData, ...timeSpecs }),
  ...splitSpecs,
  perClass: flag(
    'also precision, recall and f1 of each class, and the samples of each label by answer',
  ),
  topK: count('<n>', 'also the share of samples whose label is among the n best answers'),
  ...fromRun(limitSpecs),
  batchSize: number('<n>', 'samples at a time', { usual: "the run's, without --run 64" }),
  ...threadSpecs,
  ...lastSpecs,
}

type EvalArguments = ArgumentsOf<typeof evalSpecs>

export const evalCommand = (command: Command): Command =>
  addOptions(command, evalSpecs)
    .description(
      "Test trained weights: those of a run's folder, a safetensors file with the " +
        'options that rebuild its network, one that comes with the package, a NIR file, or an ' +
        'exported network.',
    )
    .action((given: EvalArguments) => {
      const args = onNet(given)
      const { on, split } = args
      const other = split === 'test' ? 'limitTrain' : 'limitTest'
      expectLeftOut(args, [other], `with --split ${split}`)
      if (on === undefined) return evaluate(args)
      expectLeftOut(args, ['perClass', 'topK'], 'with --on')
      return evaluateFile({ ...args, on })
    })

/** An exported network as --weights is one as --on. */
function onNet(args: EvalArguments): EvalArguments {
  const { on, weights } = args
  return on === undefined && isNetFile(weights)
    ? { ...args, on: weights, weights: undefined }
    : args
}

/** @throws SpikewasmError when the network of a file takes other samples than the data have */
function expectShape(
  { name, shape }: Dataset,
  { options: { input = shape }, isWhole }: GivenModel,
  { run, weights, nir, pretrained }: EvalArguments,
): void {
  const source = run ?? weights ?? nir ?? pretrained
  const [has, takes] = [shape, input].map((of) => imageShape(of).join(', '))
  expect(
    !isWhole || has === takes,
    () =>
      `${source}: the model takes samples of [${input.join(', ')}], got ${name} with ` +
      `[${shape.join(', ')}]; ` +
      'give --dataset with the data that it was trained with',
  )
}

/** Samples at a time that divide their number, so that spikes are counted to the last one. */
function evenBatch(samples: number): number {
  for (let size = Math.min(64, samples); size >= 8; size--) if (samples % size === 0) return size
  return 64
}

/**
 * Spikes of all samples together, by layer. Operations are counted over the samples alone; rates
 * count samples that fill a batch too, so they are for layers whose operations are not counted.
 */
function spikesOf(
  { session, timeSteps }: Model,
  { firingRates, operations, count }: Evaluation,
): Record<string, number> {
  const sizes = new Map(session.graph.nodes.map(({ name, shape }) => [name, sizeOf(shape)]))
  return Object.fromEntries(
    Object.entries(firingRates).map(([name, rate]) => {
      const { activationSparsity: sparsity = 1 - rate } = operations?.layers[name] ?? {}
      return [name, Math.round((1 - sparsity) * (sizes.get(name) ?? 0) * timeSteps * count)]
    }),
  )
}

async function evaluate(args: EvalArguments): Promise<void> {
  const given = await givenModel(args)
  const { run, name, options } = given
  const { timeSteps = options.timeSteps } = args
  const source = dataOf(
    { ...args, dataset: args.dataset ?? given.dataset, ...nirWindows(args), timeSteps },
    run,
  )
  const { dataset } = source
  const { split } = args
  const part = (await loadData(source))[split]

  const ofNir = args.nir !== undefined || isNirFile(args.weights)
  const input = options.input ?? part.shape
  expectShape(part, given, args)
  const classes = run?.classes ?? classesOf(dataset, part)
  const model = await compile(given.network(input, classes), {
    ...options,
    purpose: 'inference',
    input,
    ...stepsFor(part, args.timeSteps, options.timeSteps),
    batchSize: args.batchSize ?? run?.batchSize ?? (ofNir ? evenBatch(part.length) : 64),
    threads: args.threads ?? defaultThreads(dataset),
  })
  try {
    given.load(model)
    const began = performance.now()
    const measured = await model.evaluate(part, { topK: args.topK })
    const { accuracy, loss, count, firingRates, operations } = measured
    const samplesPerSecond = count / ((performance.now() - began) / 1000)
    const { threads, timeSteps, method, parameterCount: parameters } = model
    if (args.json) {
      const result = {
        [`${split}Accuracy`]: accuracy,
        [`${split}Loss`]: loss,
        samples: count,
        samplesPerSecond,
        peakMemoryMB: peakMemoryMB(),
        firingRates,
        operations,
        spikes: spikesOf(model, measured),
        ...answersOf(measured),
      }
      printJson({
        final: true,
        ...result,
        dataset,
        model: name,
        split,
        threads,
        timeSteps,
        method,
        parameters,
      })
      return
    }
    const rows: [string, string][] = [
      [`${split} accuracy`, percent(accuracy)],
      [`${split} loss`, decimal(loss)],
      ...topRows(measured, args.topK),
      ['samples', String(count)],
      ['speed', `${Math.round(samplesPerSecond)} samples/s`],
      ['peak memory', `${peakMemoryMB().toFixed(0)} MB`],
      ...rateRows(firingRates),
      ...operationRows(operations),
    ]
    process.stdout.write(`${name} on ${part.name}\n${keyValueTable(rows)}\n`)
    if (!args.perClass) return
    const tables = [classTable, confusionTable].map((make) => make(measured, part.classNames))
    for (const table of tables) if (table !== undefined) process.stdout.write(`${table}\n`)
  } finally {
    await model.dispose()
  }
}
