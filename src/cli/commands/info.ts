/** `spikewasm info` */

import { availableParallelism, cpus } from 'node:os'
import { fail, plainText } from '../../base/errors.js'
import { VERSION } from '../../base/version.js'
import { type Purpose, purposes } from '../../compile/context.js'
import { type MethodOptions, methodNames, methodOptions } from '../../compile/methods.js'
import { makePlan, type Plan, type ProgramName } from '../../compile/plan.js'
import * as print from '../../compile/print.js'
import type { NetInfo } from '../../edge/abi.js'
import { type EngineVariant, loadEngine } from '../../engine/load.js'
import { wideVectors } from '../../engine/revectorize.js'
import { compile } from '../../model/compile.js'
import { neuronFacts, neuronText } from '../../model/neuron-facts.js'
import { trace } from '../../network/trace.js'
import { imageShape, showShapes } from '../../network/value.js'
import { about } from '../about.js'
import { datasets, defaultThreads } from '../datasets.js'
import * as shared from '../options.js'
import * as o from '../spec.js'
import { answer, keyValueTable } from '../terminal.js'
import * as which from '../which-model.js'

const infoSpecs = {
  ...o.under('Network', ['model'], {
    model: {
      ...shared.modelOfData.model,
      text: 'network to plan, by name or file: shows its layers, parameters, memory and neurons',
      usual: undefined,
    },
  }),
  run: which.networkSpecs.run,
  weights: o.adding(which.networkSpecs.weights, '; or an exported network (.wasm)'),
  ...which.nirSpecs,
  ...o.fromRun({
    dataset: shared.data.dataset,
    ...o.under('Network', ['batchSize'], shared.batch),
    ...shared.time,
    ...shared.method,
    ...shared.checkpoints,
    ...o.under('Network', [], { precision: shared.weightsOf() }),
  }),
  ...shared.threads,
  program: o.text(
    '<name>',
    'of a network, the records of a program in their order, with their buffers: ' +
      'train, gradients, evaluate, single, stream',
  ),
  ...shared.last,
}

type InfoArguments = o.ArgumentsOf<typeof infoSpecs>

export const infoCommand = o.commandOf(infoSpecs, about.info, info)

async function info(args: InfoArguments): Promise<void> {
  const machine = {
    version: VERSION,
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    simd: await compiles('engine'),
    threads: await compiles('engine-threads'),
    wideVectors: await wideVectors(),
  }
  const { json, program: asked, weights } = args
  const wanted = [args.model, args.run, weights, args.nir].some((name) => name !== undefined)
  const file = which.isNetFile(weights) ? await netFacts(weights, args) : undefined
  if (asked !== undefined && !wanted)
    fail('--program needs a network: --model, --run, --weights or --nir must name it')
  const planned = wanted && !file ? await planModel(args) : undefined
  const program = planned?.program
  const facts = planned?.facts ?? file?.facts
  answer(json, { ...machine, model: facts, program }, () => {
    if (program) return print.printProgram(program)
    const { version, node, platform, processor, cores, simd, threads, wideVectors: wide } = machine
    const yesNo = (value: boolean): string => (value ? 'yes' : 'no')
    return [
      `spikewasm    ${version}`,
      `Node         ${node}`,
      `platform     ${platform}`,
      `processor    ${processor}, ${cores} cores`,
      `WebAssembly  SIMD ${yesNo(simd)}, threads ${yesNo(threads)}`,
      `wide vectors ${wide.on ? 'on' : `off: ${wide.why}`}`,
      ...(planned ? ['', planned.title, planned.summary] : []),
      ...(file ? ['', file.text] : []),
    ].join('\n')
  })
}

/** Options of a network that is planned. */
const superfluous = Object.keys({
  ...o.pick(infoSpecs, 'model', 'run', 'nir', 'dataset', 'batchSize', 'timeSteps', 'tau'),
  ...o.pick(infoSpecs, 'method', 'stepMode', 'gradientCheckpoint', 'precision'),
  ...o.pick(infoSpecs, 'threads', 'program'),
})

/**
 * What an exported network says of itself; opening it checks it from end to end.
 *
 * @throws SpikewasmError for a file that is none, and for options that plan a network
 */
function netFacts(path: string, args: object) {
  o.expectLeftOut(args, superfluous, 'with an exported network', '; it is planned')
  return which.withNet(path, '--weights', ({ info }, { length: bytes }) => {
    const { state: _, ...json } = info
    return {
      facts: { file: path, bytes, sealed: which.isSealed(info), ...json },
      text: `${path}\n${keyValueTable(rowsOf(info, bytes))}`,
    }
  })
}

function rowsOf(info: NetInfo, bytes: number): readonly (readonly [string, string])[] {
  const { name, version, mode, target, weights, input, inputType, frames, method } = info
  const { classes, timeSteps, stepMode, batchSize, labels, synops } = info
  return o.present<readonly [string, string]>([
    ['name', plainText(name ?? 'none')],
    ['written by', `spikewasm ${plainText(version)}, ABI ${info.abi}`],
    ['sealed', which.sealLine(info)],
    ['mode', method === undefined ? mode : `${mode}, method ${method}`],
    ['target', target],
    ['weights', `${weights}, ${info.weightBytes} bytes, ${info.parameters} parameters`],
    ['input', `${inputType} [${input.join(', ')}]${frames ? `, ${timeSteps} frames` : ''}`],
    ['time steps', `${timeSteps}, step mode ${stepMode}`],
    ['classes', labels ? plainText(`${classes}: ${labels.join(', ')}`) : String(classes)],
    mode === 'train' && ['batch size', String(batchSize)],
    ['file', `${bytes} bytes`],
    ['memory', `${info.memoryBytes} bytes, used ${info.usedBytes}`],
    ['synaptic operations', `at most ${synops.max}`],
  ])
}

async function planModel(args: InfoArguments) {
  const given = await which.givenNetwork(args)
  const { name, run, isWhole, options: own } = given
  const { dataset = run?.dataset ?? 'digits' } = args
  const { threads = run?.threads ?? defaultThreads(dataset) } = args
  const { shape, classes: all, defaults } = datasets[dataset]
  const input = own.input ?? shape
  const { frames: usual } = isWhole ? {} : datasets[dataset]
  const timeSteps = args.timeSteps ?? own.timeSteps ?? usual ?? 4
  const sameMethod = args.method === undefined
  const options: MethodOptions = {
    method: args.method ?? own.method ?? methodNames[0],
    stepMode: args.stepMode ?? (sameMethod ? own.stepMode : undefined),
    gradientCheckpoint:
      args.gradientCheckpoint ?? (sameMethod ? own.gradientCheckpoint : undefined),
  }
  const batchSize = args.batchSize ?? run?.batchSize ?? defaults.batchSize
  const frames = own.frames ?? usual !== undefined
  const network = await given.network({ input, classes: run?.classes ?? all, timeSteps })
  const { inputs = input } = given
  const graph = trace(network, inputs)
  // A NIR file is there to be run: it may have what the default method cannot train.
  const purposesOf: Purpose[] =
    (args.nir !== undefined || which.isNirFile(args.weights)) && args.method === undefined
      ? ['inference', 'stream']
      : (Object.keys(purposes) as Purpose[])
  const [purpose] = purposesOf
  const methodOf = (purpose: Purpose) => methodOptions(options, timeSteps, purpose === 'train')
  const sizes = { timeSteps, batchSize, frames, weights: args.precision ?? own.weights }
  const model = await compile(network, { ...options, ...sizes, input: inputs, threads, purpose })
  try {
    const { session } = model
    const workers = (Object.keys(session.plan.programs) as ProgramName[]).map(
      (name) => [name, session.workersOf(name)] as const,
    )
    const facts = {
      name,
      dataset: isWhole ? undefined : dataset,
      input,
      classes: model.classes,
      batchSize,
      ...o.pick(model, 'timeSteps', 'method', 'stepMode', 'weightType'),
      gradientCheckpoint: methodOf(purpose).gradientCheckpoint,
      threads,
      parameters: model.parameterCount,
      neurons: neuronFacts(graph),
      memoryBytes: model.memoryUse,
      workers: Object.fromEntries(workers),
    }
    const title = isWhole ? `${name}, input ${showShapes(inputs)}` : `${name} for ${dataset}`
    const summary = [model.summary(), ...facts.neurons.map(neuronText)].join('\n\n')
    const program = programOf(args.program, purposesOf, (purpose) => {
      const spec = { graph, input: imageShape(input), inspect: false, purpose }
      return makePlan({ ...methodOf(purpose), ...spec, ...sizes }, threads)
    })
    return { title, summary, facts, program }
  } finally {
    await model.dispose()
  }
}

/** A program of the first purpose that has one of this name. */
function programOf(
  name: string | undefined,
  purposes: readonly Purpose[],
  planFor: (purpose: Purpose) => Plan,
): print.PrintedProgram | undefined {
  if (name === undefined) return undefined
  const names = new Set<string>()
  for (const purpose of purposes) {
    const plan = planFor(purpose)
    const found = print.programNames(plan)
    if (found.includes(name)) return print.programJson(plan, name)
    for (const one of found) names.add(one)
  }
  fail(`--program must be one of ${[...names].join(', ')}, got ${JSON.stringify(name)}`)
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
