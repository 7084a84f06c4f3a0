/** `spikewasm info` */

import { availableParallelism, cpus } from 'node:os'
import type { Command } from 'commander'
import { SpikewasmError } from '../errors.js'
import { trace } from '../graph/trace.js'
import { modelNames } from '../models/names.js'
import { compile } from '../network.js'
import { imageShape } from '../nn/value.js'
import { type Purpose, purposes } from '../plan/context.js'
import { type MethodOptions, methodNames, methodOptions } from '../plan/methods.js'
import { makePlan, type Plan, type ProgramName } from '../plan/plan.js'
import { type PrintedProgram, printProgram, programJson, programNames } from '../plan/print.js'
import { type EngineVariant, loadEngine } from '../runtime/load.js'
import { wideVectors } from '../runtime/revectorize.js'
import { datasets, defaultThreads, isOfEvents } from './datasets.js'
import { netFacts } from './info-net.js'
import { neuronFacts, neuronTexts } from './info-neurons.js'
import { nirSpecs } from './nir.js'
import {
  batchSpecs,
  checkpointSpecs,
  dataSpecs,
  lastSpecs,
  methodSpecs,
  threadSpecs,
  timeSpecs,
} from './options.js'
import { printJson } from './report.js'
import { type ArgumentsOf, adding, addOptions, fromRun, name, text } from './spec.js'
import { packageVersion } from './version.js'
import { givenNetwork, isNetFile, isNirFile, networkSpecs } from './which-model.js'

const infoSpecs = {
  model: name(
    '<name>',
    'network to plan: shows its layers, parameters, memory and neurons',
    modelNames,
  ),
  run: networkSpecs.run,
  weights: adding(networkSpecs.weights, '; or an exported network (.wasm)'),
  ...nirSpecs,
  ...fromRun({
    dataset: dataSpecs.dataset,
    ...batchSpecs,
    ...timeSpecs,
    ...methodSpecs,
    ...checkpointSpecs,
  }),
  ...threadSpecs,
  program: text(
    '<name>',
    'with a network: the records of a program in their order, with their buffers: ' +
      'train, gradients, evaluate, single, stream',
  ),
  ...lastSpecs,
}

type InfoArguments = ArgumentsOf<typeof infoSpecs>

export const infoCommand = (command: Command): Command =>
  addOptions(command, infoSpecs)
    .description(
      'Show version, machine and what it supports; with --model, --run, --weights or --nir, the ' +
        'layers, parameters, memory and neurons of a network.',
    )
    .action((args: InfoArguments) => info(args))

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
  const wanted = [args.model, args.run, args.weights, args.nir].some((name) => name !== undefined)
  const file = isNetFile(args.weights) ? await netFacts(args.weights, args) : undefined
  const planned = wanted && !file ? await planModel(args) : undefined
  if (args.program !== undefined && planned === undefined)
    throw new SpikewasmError(
      '--program needs a network: --model, --run, --weights or --nir must name it',
    )
  const program =
    args.program === undefined || planned === undefined
      ? undefined
      : planProgram(args.program, planned.plans)
  if (args.json) {
    printJson({ ...machine, model: planned?.facts ?? file?.json, program })
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
    ...(planned ? ['', planned.title, planned.summary] : []),
    ...(file ? ['', file.text] : []),
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

async function planModel(args: InfoArguments) {
  const given = await givenNetwork(args)
  const { name, run, isWhole, options: own } = given
  const { dataset = run?.dataset ?? 'digits' } = args
  const { threads = run?.threads ?? defaultThreads(dataset) } = args
  const { shape, classes: all, defaults } = datasets[dataset]
  const input = own.input ?? shape
  // Of recordings each step has a frame of its own.
  const ofEvents = !isWhole && isOfEvents(dataset)
  const timeSteps = args.timeSteps ?? own.timeSteps ?? (ofEvents ? 10 : 4)
  const sameMethod = args.method === undefined
  const options: MethodOptions = {
    method: args.method ?? own.method ?? methodNames[0],
    stepMode: args.stepMode ?? (sameMethod ? own.stepMode : undefined),
    gradientCheckpoint:
      args.gradientCheckpoint ?? (sameMethod ? own.gradientCheckpoint : undefined),
  }
  const batchSize = args.batchSize ?? run?.batchSize ?? defaults.batchSize
  const frames = own.frames ?? ofEvents
  const network = given.network(input, run?.classes ?? all)
  // A NIR file is there to be run: it may have what the default method cannot train.
  const purposesOf: Purpose[] =
    (args.nir !== undefined || isNirFile(args.weights)) && args.method === undefined
      ? ['inference', 'stream']
      : (Object.keys(purposes) as Purpose[])
  const [purpose] = purposesOf
  const model = await compile(network, {
    ...{ input, timeSteps, batchSize, threads, frames, purpose },
    ...options,
  })
  try {
    const facts = {
      name,
      dataset: isWhole ? undefined : dataset,
      input,
      classes: model.classes,
      batchSize,
      timeSteps,
      method: model.method,
      stepMode: model.stepMode,
      gradientCheckpoint: methodOptions(options, timeSteps, purpose === 'train').gradientCheckpoint,
      threads,
      parameters: model.parameterCount,
      neurons: neuronFacts(trace(network, input)),
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
          ...methodOptions(options, timeSteps, purpose === 'train'),
          graph: trace(network, input),
          input: imageShape(input),
          frames,
          inspect: false,
          timeSteps,
          batchSize,
          purpose,
        },
        threads,
      )
    const title = isWhole ? `${name}, input [${input.join(', ')}]` : `${name} for ${dataset}`
    const plans = { purposes: purposesOf, planFor }
    const summary = [model.summary(), ...neuronTexts(facts.neurons)].join('\n\n')
    return { title, summary, facts, plans }
  } finally {
    await model.dispose()
  }
}

/** A program of the first purpose that has one of this name. */
function planProgram(
  name: string,
  { purposes, planFor }: { purposes: readonly Purpose[]; planFor: (purpose: Purpose) => Plan },
): PrintedProgram {
  const names = new Set<string>()
  for (const purpose of purposes) {
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
