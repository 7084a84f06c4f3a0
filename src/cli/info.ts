/** `spikewasm info` */

import { availableParallelism, cpus } from 'node:os'
import { type Command, Option } from 'commander'
import { SpikewasmError } from '../errors.js'
import { trace } from '../graph/trace.js'
import { type ModelName, models } from '../models/registry.js'
import { compile } from '../network.js'
import { type Purpose, purposes } from '../plan/context.js'
import { type MethodOptions, methodOptions } from '../plan/methods.js'
import { type Method, makePlan, type Plan, type ProgramName, type StepMode } from '../plan/plan.js'
import { type PrintedProgram, printProgram, programJson, programNames } from '../plan/print.js'
import { type EngineVariant, loadEngine } from '../runtime/load.js'
import { wideVectors } from '../runtime/revectorize.js'
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
  readonly gradientCheckpoint?: MethodOptions['gradientCheckpoint']
  readonly threads?: number
  readonly program?: string
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
    .addOption(shared.gradientCheckpoint())
    .addOption(shared.threads())
    .addOption(
      new Option(
        '--program <name>',
        'with --model: the records of a program in their order, with their buffers: ' +
          'train, gradients, evaluate, single, stream',
      ),
    )
    .addOption(shared.revectorize())
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
    wideVectors: await wideVectors(),
  }
  const planned = args.model === undefined ? undefined : await planModel(args.model, args)
  if (args.program !== undefined && planned === undefined)
    throw new SpikewasmError('--program needs a network: --model must name it')
  const program =
    args.program === undefined || planned === undefined
      ? undefined
      : planProgram(args.program, planned.planFor)
  if (args.json) {
    printJson({ ...machine, model: planned?.facts, program })
    return
  }
  if (program) {
    process.stdout.write(`${printProgram(program)}\n`)
    return
  }
  const { version, node, platform, processor, cores, simd, threads, wideVectors: wide } = machine
  const yesNo = (value: boolean): string => (value ? 'yes' : 'no')
  const lines = [
    `spikewasm    ${version}`,
    `Node         ${node}`,
    `platform     ${platform}`,
    `processor    ${processor}, ${cores} cores`,
    `WebAssembly  SIMD ${yesNo(simd)}, threads ${yesNo(threads)}`,
    `wide vectors ${wide.on ? 'on' : `off: ${wide.why}`}`,
    ...(planned ? ['', `${args.model} for ${args.dataset}`, planned.summary] : []),
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

async function planModel(name: ModelName, args: InfoArguments) {
  const { dataset, timeSteps, tau, threads = defaultThreads(dataset) } = args
  const { method, stepMode, gradientCheckpoint } = args
  const options = { method, stepMode, gradientCheckpoint }
  const { shape: input, classes, defaults } = datasets[dataset]
  const batchSize = args.batchSize ?? defaults.batchSize
  const network = models[name](input, classes, { tau })
  const model = await compile(network, { input, timeSteps, batchSize, threads, ...options })
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
      gradientCheckpoint: methodOptions(options, timeSteps).gradientCheckpoint,
      threads,
      parameters: model.parameterCount,
      memoryBytes: model.memoryUse,
      workers: Object.fromEntries(
        (Object.keys(model.session.plan.programs) as ProgramName[]).map((name) => [
          name,
          model.session.workersOf(name),
        ]),
      ),
    }
    const planFor = (purpose: Purpose): Plan =>
      makePlan(
        {
          ...methodOptions(options, timeSteps),
          graph: trace(network, input),
          input,
          frames: false,
          inspect: false,
          timeSteps,
          batchSize,
          purpose,
        },
        threads,
      )
    return { summary: model.summary(), facts, planFor }
  } finally {
    await model.dispose()
  }
}

/** A program of the first purpose that has one of this name. */
function planProgram(name: string, planFor: (purpose: Purpose) => Plan): PrintedProgram {
  const names = new Set<string>()
  for (const purpose of Object.keys(purposes) as Purpose[]) {
    const plan = planFor(purpose)
    const found = programNames(plan)
    if (found.includes(name)) return programJson(plan, name)
    for (const one of found) names.add(one)
  }
  throw new SpikewasmError(
    `--program must be one of ${[...names].join(', ')}, got ${JSON.stringify(name)}`,
  )
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
