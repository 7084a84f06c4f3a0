/** `spikewasm info` */

import { availableParallelism, cpus } from 'node:os'
import type { Command } from 'commander'
import { type ModelName, models } from '../models/registry.js'
import { compile } from '../network.js'
import type { Method, StepMode } from '../plan/plan.js'
import { type EngineVariant, loadEngine } from '../runtime/load.js'
import { type DatasetName, datasets, defaultThreads, describeDefault } from './datasets.js'
import { numeric, shared } from './options.js'
import { printJson } from './report.js'
import { packageVersion } from './version.js'

interface InfoArguments {
  readonly model?: ModelName
  readonly dataset: DatasetName
  readonly batchSize?: number
  readonly timeSteps: number
  readonly tau: number
  readonly method: Method
  readonly stepMode?: StepMode
  readonly threads?: number
  readonly json: boolean
}

export function infoCommand(command: Command): Command {
  const model = shared.model().default(undefined)
  model.description = 'network to plan: shows its layers, parameters and memory'
  return command
    .description(
      'Show version, machine and what it supports; with --model, the layers, parameters ' +
        'and memory of a network.',
    )
    .addOption(model)
    .addOption(shared.dataset())
    .addOption(
      numeric('--batch-size <n>', `samples in one step (default: ${describeDefault('batchSize')})`),
    )
    .addOption(shared.timeSteps())
    .addOption(shared.tau())
    .addOption(shared.method())
    .addOption(shared.stepMode())
    .addOption(shared.threads())
    .addOption(shared.json())
    .action((args: InfoArguments) => info(args))
}

async function info(args: InfoArguments): Promise<void> {
  const machine = {
    version: packageVersion(),
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    simd: await compiles('engine'),
    threads: await compiles('engine-threads'),
  }
  const planned = args.model === undefined ? undefined : await planModel(args.model, args)
  if (args.json) {
    printJson({ ...machine, ...(planned && { model: planned.facts }) })
    return
  }
  const { version, node, platform, processor, cores, simd, threads } = machine
  const yesNo = (value: boolean): string => (value ? 'yes' : 'no')
  const lines = [
    `spikewasm    ${version}`,
    `Node         ${node}`,
    `platform     ${platform}`,
    `processor    ${processor}, ${cores} cores`,
    `WebAssembly  SIMD ${yesNo(simd)}, threads ${yesNo(threads)}`,
    ...(planned ? ['', `${args.model} for ${args.dataset}`, planned.summary] : []),
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

async function planModel(
  name: ModelName,
  args: InfoArguments,
): Promise<{ summary: string; facts: object }> {
  const { dataset, timeSteps, tau, method, stepMode, threads = defaultThreads(dataset) } = args
  const { shape: input, classes, defaults } = datasets[dataset]
  const batchSize = args.batchSize ?? defaults.batchSize
  const model = await compile(models[name](input, classes, { tau }), {
    input,
    timeSteps,
    batchSize,
    method,
    stepMode,
    threads,
  })
  try {
    const facts = {
      name,
      dataset,
      input,
      classes,
      batchSize,
      timeSteps,
      method,
      stepMode: model.stepMode,
      threads,
      parameters: model.parameterCount,
      memoryBytes: model.memoryUse,
    }
    return { summary: model.summary(), facts }
  } finally {
    await model.dispose()
  }
}

/** Whether this Node compiles a variant of the engine: it must know the instructions for that. */
async function compiles(variant: EngineVariant): Promise<boolean> {
  try {
    await loadEngine(variant)
    return true
  } catch (error) {
    if (error instanceof WebAssembly.CompileError) return false
    throw error
  }
}
