/** `spikewasm diagnose` */

import { availableParallelism, cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { type Diagnosis, type Variant, variantNames } from '../diagnose/diagnosis.js'
import { diagnose } from '../diagnose/measure.js'
import { page } from '../diagnose/page.js'
import { type Origin, tables, toJson } from '../diagnose/report.js'
import { expect } from '../errors.js'
import { writeFileAtomic } from '../io/files.js'
import type { ModelName } from '../models/registry.js'
import { sgd } from '../optimizer/index.js'
import {
  type DataArguments,
  type DatasetName,
  datasets,
  defaultThreads,
  describeDefault,
  loadData,
} from './datasets.js'
import { addEventFlags } from './event-flags.js'
import { withFiles } from './mistakes.js'
import { counting, fromRun, numeric, shared } from './options.js'
import { dataOf, openOutFolder, removeIfEmpty } from './run-folder.js'
import { newTable } from './tables.js'
import { overwrite } from './terminal.js'
import { packageVersion } from './version.js'
import { givenNetwork, modelOptions, networkOnly } from './which-model.js'

interface DiagnoseArguments extends Omit<DataArguments, 'dataset'> {
  readonly dataset?: DatasetName
  readonly run?: string
  readonly weights?: string
  readonly model?: ModelName
  readonly timeSteps?: readonly number[]
  readonly methods: readonly Variant[]
  readonly tau?: number
  readonly steps: number
  readonly batchSize?: number
  readonly lr?: number
  readonly threads?: number
  readonly seed: number
  readonly processes: boolean
  readonly out: string
  readonly json: boolean
}

export function diagnoseCommand(command: Command): Command {
  return addEventFlags(command, { training: true })
    .description(
      'Measure on a network what the paper claims: its assumptions while training with ' +
        'BPTT, rate gradients against those of BPTT, time and memory of each method over ' +
        'T, and firing rates. Prints tables and writes diagnose.json and diagnose.html.',
    )
    .addOption(fromRun(shared.dataset()))
    .addOption(shared.data())
    .addOption(shared.imageSize())
    .addOption(shared.cache())
    .addOption(shared.trainShare())
    .addOption(fromRun(shared.modelOfData()))
    .addOption(networkOnly(modelOptions.run()))
    .addOption(networkOnly(modelOptions.weights()))
    .addOption(
      new Option(
        '--time-steps <list>',
        "time steps to compare, separated by commas (default: 1,2,4,8,16, or the data's frames)",
      ).argParser(integers),
    )
    .addOption(
      new Option('--methods <list>', 'methods whose time and memory is measured')
        .argParser(methodList)
        .default(variantNames, variantNames.join(',')),
    )
    .addOption(fromRun(shared.tau()))
    .addOption(counting('--steps <n>', 'optimizer steps of BPTT for each T').default(200))
    .addOption(
      counting(
        '--batch-size <n>',
        `samples in one step (default: ${describeDefault('batchSize')})`,
      ),
    )
    .addOption(
      numeric('--lr <rate>', `learning rate at the start (default: ${describeDefault('lr')})`),
    )
    .addOption(
      new Option(
        '--processes',
        'measure each method and T in a process of its own too: peak memory and time, as ' +
          'figures 3 to 6 of the paper',
      ).default(false, 'off'),
    )
    .addOption(shared.threads())
    .addOption(numeric('--seed <n>', 'seed of initial weights and order of the data', 0))
    .addOption(shared.limitTrain())
    .addOption(shared.limitTest())
    .addOption(new Option('--out <folder>', 'where the two files go').default('diagnosis'))
    .addOption(shared.revectorize())
    .addOption(shared.json())
    .action((args: DiagnoseArguments) => run(args))
}

function integers(text: string): number[] {
  const values = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)))
  expect(
    values.every((value) => Number.isInteger(value) && value >= 1 && value <= 255) &&
      new Set(values).size === values.length,
    () =>
      '--time-steps must be different integers from 1 to 255, separated by commas, as in ' +
      `2,4,8, got ${JSON.stringify(text)}`,
  )
  return values.sort((a, b) => a - b)
}

function methodList(text: string): Variant[] {
  const names = text.split(',').map((part) => part.trim())
  expect(
    names.every((name) => (variantNames as string[]).includes(name)),
    () =>
      `--methods must be some of ${variantNames.join(', ')}, separated by commas, got ` +
      `${JSON.stringify(text)}`,
  )
  return variantNames.filter((name) => names.includes(name))
}

async function run(args: DiagnoseArguments): Promise<void> {
  const { steps, timeSteps, methods, seed, json, out, processes } = args
  const given = await givenNetwork(args)
  const source = dataOf(args, given.run)
  const { dataset } = source
  const { defaults } = datasets[dataset]
  const data = await loadData(source)
  const samples = data.train.length
  const {
    batchSize = Math.min(defaults.batchSize, samples),
    lr = defaults.lr,
    threads = defaultThreads(dataset),
  } = args
  expect(
    batchSize <= samples,
    () =>
      `--batch-size must be at most the number of training samples, ${samples}, got ${batchSize}`,
  )
  const made = await openOutFolder(out, '--out')
  const progress = progressLine(!json && process.stderr.isTTY)
  try {
    const { shape: input, classes } = data.train
    const diagnosis = await diagnose({
      network: () => given.network(input, classes),
      data,
      name: given.name,
      ...(timeSteps === undefined ? {} : { timeSteps }),
      methods,
      batchSize,
      steps,
      optimizer: sgd({ lr, weightDecay: defaults.weightDecay, decay: 'weights' }),
      threads,
      seed,
      processes,
      onProgress: progress.show,
    })
    progress.clear()
    const written = await write(out, diagnosis)
    if (json) process.stdout.write(`${toJson(diagnosis, origin())}\n`)
    else process.stdout.write(`${tables(diagnosis).map(draw).join('\n\n')}\n`)
    const note = `wrote ${written.map((path) => resolve(path)).join(' and ')}\n`
    ;(json ? process.stderr : process.stdout).write(note)
  } finally {
    progress.clear()
    await removeIfEmpty(made)
  }
}

/** Returns the paths of what was written: JSON and the page. */
async function write(folder: string, diagnosis: Diagnosis): Promise<string[]> {
  const contents = [
    ['diagnose.json', `${toJson(diagnosis, origin(), 2)}\n`],
    ['diagnose.html', await page(diagnosis, origin())],
  ]
  return withFiles(async () => {
    const paths: string[] = []
    for (const [name, text] of contents) {
      const path = join(folder, name)
      await writeFileAtomic(path, new TextEncoder().encode(text))
      paths.push(path)
    }
    return paths
  })
}

function origin(): Origin {
  return {
    version: packageVersion(),
    node: process.versions.node,
    processor: cpus()[0]?.model.trim() ?? 'unknown processor',
    cores: availableParallelism(),
  }
}

function draw({ title, head, rows }: ReturnType<typeof tables>[number]): string {
  const text = head[0] === 'claim'
  const table = newTable({
    head: [...head],
    style: { head: [], border: [], compact: true },
    colAligns: head.map((_, i) => (i === 0 || text ? 'left' : 'right')),
  })
  table.push(...rows.map((row) => [...row]))
  return `${title}\n${table.toString()}`
}

/** One line on standard error that says what is going on. */
function progressLine(visible: boolean): { show(message: string): void; clear(): void } {
  const write = (text: string): void => void (visible && overwrite(process.stderr, text))
  return { show: write, clear: () => write('') }
}
