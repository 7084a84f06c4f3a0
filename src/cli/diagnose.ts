/** `spikewasm diagnose` */

import { availableParallelism, cpus } from 'node:os'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { type Diagnosis, type Variant, variantNames } from '../diagnose/diagnosis.js'
import { diagnose } from '../diagnose/measure.js'
import { page } from '../diagnose/page.js'
import { type Origin, tables, toJson } from '../diagnose/report.js'
import { expect } from '../errors.js'
import { writeFileAtomic } from '../io/files.js'
import { sgd } from '../optimizer/index.js'
import * as v from '../runtime/vendor/valibot/index.js'
import { datasets, defaultThreads, describeDefault } from './datasets.js'
import { eventSpecs } from './event-options.js'
import { loadData } from './load-data.js'
import { withFiles } from './mistakes.js'
import {
  lastSpecs,
  limitSpecs,
  modelOfData,
  savedDataSpecs,
  seedOf,
  threadSpecs,
  timeSpecs,
} from './options.js'
import { dataOf, openOutFolder, removeIfEmpty } from './run-folder.js'
import {
  type ArgumentsOf,
  addOptions,
  count,
  flag,
  fromRun,
  number,
  numbers,
  parsed,
  text,
} from './spec.js'
import { newTable } from './tables.js'
import { overwrite } from './terminal.js'
import { packageVersion } from './version.js'
import { givenNetwork, networkSpecs } from './which-model.js'

const diagnoseSpecs = {
  ...eventSpecs,
  ...savedDataSpecs,
  ...fromRun(modelOfData),
  ...networkSpecs,
  timeSteps: numbers('<list>', 'time steps to compare, separated by commas', {
    usual: "1,2,4,8,16, or the data's frames",
    rule: 'different integers from 1 to 255, separated by commas, as in 2,4,8',
    fits: (values) =>
      values.every((value) => Number.isInteger(value) && value >= 1 && value <= 255) &&
      new Set(values).size === values.length,
  }),
  methods: parsed<readonly Variant[], readonly Variant[]>(
    '<list>',
    'methods whose time and memory is measured',
    `some of ${variantNames.join(', ')}, separated by commas`,
    methodList,
    v.array(v.picklist(variantNames)),
    { preset: variantNames, shown: variantNames.join(',') },
  ),
  ...fromRun({ tau: timeSpecs.tau }),
  steps: count('<n>', 'optimizer steps of BPTT for each T', { preset: 200 }),
  batchSize: count('<n>', 'samples in one step', { usual: describeDefault('batchSize') }),
  lr: number('<rate>', 'learning rate at the start', { usual: describeDefault('lr') }),
  processes: flag(
    'measure each method and T in a process of its own too: peak memory and time, as figures 3 ' +
      'to 6 of the paper',
    { preset: false, shown: 'off' },
  ),
  ...threadSpecs,
  ...seedOf('initial weights and order of the data'),
  ...limitSpecs,
  out: text('<folder>', 'where the two files go', { preset: 'diagnosis' }),
  ...lastSpecs,
}

type DiagnoseArguments = ArgumentsOf<typeof diagnoseSpecs>

export const diagnoseCommand = (command: Command): Command =>
  addOptions(command, diagnoseSpecs)
    .description(
      'Measure on a network what the paper claims: its assumptions while training with ' +
        'BPTT, rate gradients against those of BPTT, time and memory of each method over ' +
        'T, and firing rates. Prints tables and writes diagnose.json and diagnose.html.',
    )
    .action((args: DiagnoseArguments) => run(args))

function methodList(text: string): readonly string[] {
  const names = text.split(',').map((part) => part.trim())
  const rank = (name: string): number => (variantNames as readonly string[]).indexOf(name)
  return [...new Set(names)].sort((a, b) => rank(a) - rank(b))
}

async function run(args: DiagnoseArguments): Promise<void> {
  const { steps, methods, seed, json, out, processes } = args
  const timeSteps = args.timeSteps?.toSorted((a, b) => a - b)
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
