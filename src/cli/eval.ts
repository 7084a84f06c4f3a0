/** `spikewasm eval` */

import { type Command, Option } from 'commander'
import type { ModelName } from '../models/registry.js'
import { compile } from '../network.js'
import { type DatasetName, datasets, defaultThreads, loadData } from './datasets.js'
import { evaluateFile } from './eval-net.js'
import { fromRun, named, numeric, shared } from './options.js'
import { decimal, keyValueTable, peakMemoryMB, percent, printJson, rateRows } from './report.js'
import { dataOf } from './run-folder.js'
import { givenModel, modelOptions } from './which-model.js'

interface EvalArguments {
  readonly run?: string
  readonly best: boolean
  /** Path of an exported network. */
  readonly on?: string
  readonly weights?: string
  readonly dataset?: DatasetName
  readonly data?: string
  readonly model?: ModelName
  readonly timeSteps?: number
  readonly tau?: number
  readonly split: 'test' | 'train'
  readonly limitTrain?: number
  readonly limitTest?: number
  readonly batchSize?: number
  readonly threads?: number
  readonly json: boolean
}

export function evalCommand(command: Command): Command {
  return command
    .description(
      "Test trained weights: those of a run's folder, a safetensors file with the " +
        'options that rebuild its network, or an exported network.',
    )
    .addOption(modelOptions.run())
    .addOption(modelOptions.best())
    .addOption(modelOptions.weights())
    .addOption(
      new Option(
        '--on <file>',
        'exported network, a .wasm file: the very file runs, no weights are read',
      ),
    )
    .addOption(fromRun(shared.dataset()))
    .addOption(shared.data())
    .addOption(fromRun(shared.model()))
    .addOption(fromRun(shared.timeSteps()))
    .addOption(fromRun(shared.tau()))
    .addOption(named('--split <part>', 'part of the data', ['test', 'train'], 'test'))
    .addOption(shared.limitTrain())
    .addOption(shared.limitTest())
    .addOption(
      numeric('--batch-size <n>', "samples at a time (default: the run's, without --run 64)"),
    )
    .addOption(shared.threads())
    .addOption(shared.revectorize())
    .addOption(shared.json())
    .action((args: EvalArguments) => {
      const { on } = args
      return on === undefined ? evaluate(args) : evaluateFile({ ...args, on })
    })
}

async function evaluate(args: EvalArguments): Promise<void> {
  const given = await givenModel(args)
  const { run, name, options } = given
  const source = dataOf(args, run)
  const { dataset } = source
  const { split } = args
  const part = (await loadData(source))[split]

  const input = options.input ?? part.shape
  const classes = run?.classes ?? datasets[dataset].classes
  const model = await compile(given.network(input, classes), {
    ...options,
    purpose: 'inference',
    input,
    timeSteps: args.timeSteps ?? options.timeSteps ?? 4,
    batchSize: args.batchSize ?? run?.batchSize ?? 64,
    threads: args.threads ?? defaultThreads(dataset),
  })
  try {
    given.load(model)
    const began = performance.now()
    const { accuracy, loss, count, firingRates } = await model.evaluate(part)
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
      ['samples', String(count)],
      ['speed', `${Math.round(samplesPerSecond)} samples/s`],
      ['peak memory', `${peakMemoryMB().toFixed(0)} MB`],
      ...rateRows(firingRates),
    ]
    process.stdout.write(`${name} on ${part.name}\n${keyValueTable(rows)}\n`)
  } finally {
    await model.dispose()
  }
}
