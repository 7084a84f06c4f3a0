/** `spikewasm diagnose` */

import { availableParallelism, cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { fail } from '../../base/errors.js'
import { VERSION } from '../../base/version.js'
import { type Variant, variantNames } from '../../diagnose/diagnosis.js'
import { page } from '../../diagnose/figures.js'
import { diagnose } from '../../diagnose/measure.js'
import { tables, toJson } from '../../diagnose/report.js'
import * as v from '../../engine/vendor/valibot/index.js'
import { sgd } from '../../nn/optimizers.js'
import { about } from '../about.js'
import { datasets, defaultThreads, describeDefault } from '../datasets.js'
import { loadData } from '../load-data.js'
import { writeText } from '../mistakes.js'
import * as shared from '../options.js'
import { dataOf, openOutFolder, removeIfEmpty } from '../run-folder.js'
import * as o from '../spec.js'
import { overwrite, tableText } from '../terminal.js'
import { givenNetwork, networkSpecs } from '../which-model.js'

const diagnoseSpecs = {
  ...shared.savedData,
  ...shared.eventSpecs,
  ...o.fromRun(shared.modelOfData),
  ...networkSpecs,
  timeSteps: o.numbers('<list>', 'time steps to compare, separated by commas', {
    usual: "1,2,4,8,16, or the data's frames",
    rule: 'different integers from 1 to 255, separated by commas, as in 2,4,8',
    fits: (values) =>
      values.every((value) => Number.isInteger(value) && value >= 1 && value <= 255) &&
      new Set(values).size === values.length,
  }),
  methods: o.parsed<readonly Variant[], readonly Variant[]>(
    '<list>',
    'methods to measure: bptt-s is in step mode s, ottt-o updates at each step, sltt-1 uses one',
    `some of ${variantNames.join(', ')}, separated by commas`,
    methodList,
    v.array(v.picklist(variantNames)),
    { preset: variantNames, shown: variantNames.join(',') },
  ),
  ...o.fromRun({ tau: shared.time.tau }),
  steps: o.count('<n>', 'optimizer steps of BPTT for each T', { preset: 200 }),
  batchSize: o.count('<n>', 'samples in one step', { usual: describeDefault('batchSize') }),
  lr: o.number('<rate>', 'learning rate at the start', { usual: describeDefault('lr') }),
  processes: o.flag(
    'measure each method and T in a process of its own too: peak memory and time, as figures 3 ' +
      'to 6 of the paper',
    { preset: false, shown: 'off' },
  ),
  ...shared.threads,
  ...shared.seedOf('initial weights and order of the data'),
  ...shared.limits,
  out: o.text('<folder>', 'where the two files go', { preset: 'diagnosis' }),
  ...shared.last,
}

export const diagnoseCommand = o.commandOf(diagnoseSpecs, about.diagnose, run)

function methodList(text: string): readonly string[] {
  const names = text.split(',').map((part) => part.trim())
  const rank = (name: string): number => (variantNames as readonly string[]).indexOf(name)
  return [...new Set(names)].sort((a, b) => rank(a) - rank(b))
}

async function run(args: o.ArgumentsOf<typeof diagnoseSpecs>): Promise<void> {
  const { steps, methods, seed, json, out, processes } = args
  const timeSteps = args.timeSteps?.toSorted((a, b) => a - b)
  const given = await givenNetwork(args)
  const source = dataOf(args, given)
  const { dataset } = source
  const { defaults } = datasets[dataset]
  const data = await loadData(source)
  const samples = data.train.length
  const { lr = defaults.lr, threads = defaultThreads(dataset) } = args
  const { batchSize = Math.min(defaults.batchSize, samples) } = args
  if (batchSize > samples)
    fail(
      `--batch-size must be at most the number of training samples, ${samples}, got ${batchSize}`,
    )
  const made = await openOutFolder(out, '--out')
  const show = json ? () => {} : overwrite
  try {
    const { shape: input, classes } = data.train
    const sizes = { input, classes, timeSteps: timeSteps?.at(-1) ?? data.train.timeSteps ?? 4 }
    const network = await given.network(sizes)
    const diagnosis = await diagnose({
      network: () => network,
      data,
      name: given.name,
      ...(timeSteps === undefined ? {} : { timeSteps }),
      methods,
      batchSize,
      steps,
      optimizer: sgd({ lr, weightDecay: defaults.weightDecay, decay: 'weights' }),
      weights: given.options.weights,
      threads,
      seed,
      processes,
      onProgress: show,
    })
    show('')
    const contents = {
      'diagnose.json': `${toJson(diagnosis, origin(), 2)}\n`,
      'diagnose.html': await page(diagnosis, origin()),
    }
    for (const [name, text] of Object.entries(contents))
      await writeText(join(out, name), () => text)
    const lines = json ? toJson(diagnosis, origin()) : tables(diagnosis).map(draw).join('\n\n')
    process.stdout.write(`${lines}\n`)
    const written = Object.keys(contents).map((name) => resolve(out, name))
    ;(json ? process.stderr : process.stdout).write(`wrote ${written.join(' and ')}\n`)
  } finally {
    show('')
    await removeIfEmpty(made)
  }
}

const origin = () => ({
  version: VERSION,
  node: process.versions.node,
  processor: cpus()[0]?.model.trim() ?? 'unknown processor',
  cores: availableParallelism(),
})

function draw({ title, head, rows }: ReturnType<typeof tables>[number]): string {
  const rest = head[0] === 'claim' ? 'l' : 'r'
  return `${title}\n${tableText(`l${rest.repeat(head.length - 1)}`, head, rows)}`
}
