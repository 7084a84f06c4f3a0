/**
 * Training online beside the code of its authors on PyTorch: OTTT and SLTT, the VGG network of each
 * from the same weights, batch 32, T 6. Time of a step, and whether both do the same: parameters,
 * shapes, output and gradients.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fail } from '../src/base/errors.js'
import { describeRates, makeBatch } from '../src/bench/networks.js'
import { parseState } from '../src/files/state.js'
import { compile } from '../src/model/compile.js'
import type { Model } from '../src/model/model.js'
import { stepAgainst, stepColumns } from './agreement.js'
import {
  addBeside,
  type Beside,
  besideColumns,
  besideNotes,
  encodeBatch,
  measureBeside,
  stepBudget,
  stepSettings,
  type TrainingBatch,
} from './beside.js'
import {
  checkOnline,
  type OnlineMethod,
  onlineMethods,
  type PeerStep,
  runCode,
} from './official-code.js'
import { onlineInput, onlineNetworks } from './online-networks.js'
import type { BenchOptions } from './options.js'
import { type Section, withFolder } from './section.js'

/** Images of a step; a quick run has fewer. */
const [BATCH, QUICK_BATCH] = [32, 4]
const TIME_STEPS = 6
/** Of the comparison of numbers, which is not timed. */
const SMALL_BATCH = 4

/**
 * Noise of 4×4 cells, each 8×8 pixels. Noise of single pixels cancels in pooling, and the deep
 * layers of OTTT's network, which does not normalise, would be silent.
 */
function makeImages(size: number): TrainingBatch {
  const [C, H, W] = onlineInput
  const cell = 8
  const { x: cells, y } = makeBatch(size, [C, H / cell, W / cell])
  const x = Float32Array.from({ length: size * C * H * W }, (_, i) => {
    const [plane, row, column] = [Math.floor(i / (H * W)), Math.floor(i / W) % H, i % W]
    const [down, across] = [Math.floor(row / cell), Math.floor(column / cell)]
    return cells[(plane * (H / cell) + down) * (W / cell) + across]
  })
  return { x, y }
}

/** A shape of each convolution and linear layer, by name. */
type Shapes = Readonly<Record<string, readonly number[]>>

/** Runs `body` with the network of a method. */
async function withNetwork<T>(
  method: OnlineMethod,
  { threads }: BenchOptions,
  batchSize: number,
  body: (model: Model) => Promise<T>,
): Promise<T> {
  const options = { input: onlineInput, method, timeSteps: TIME_STEPS, threads, batchSize, seed: 0 }
  const model = await compile(onlineNetworks[method](), options)
  try {
    return await body(model)
  } finally {
    await model.dispose()
  }
}

/** Steps of the methods, each beside its authors' code. */
export async function onlineSteps(
  section: Section,
  methods: readonly OnlineMethod[],
): Promise<void> {
  const { options } = section
  const { threads } = options
  const budget = stepBudget(options)
  const size = options.quick ? QUICK_BATCH : BATCH
  const batch = makeImages(size)
  const settings = { batch: size, 'time-steps': TIME_STEPS, ...stepSettings(budget) }
  const rows: (Beside & { readonly method: string })[] = []
  let torch = ''
  for (const method of methods) {
    torch = checkOnline(options, method)
    section.progress(`online ${method}`)
    await withNetwork(method, options, size, async (model) => {
      await withFolder((folder) => {
        const out = join(folder, 'network.safetensors')
        runCode(method, options, 'state', { out })
        model.loadStateDict(parseState(readFileSync(out), out))
      })
      const found = await measureBeside(model, batch, budget, method, () =>
        runCode<PeerStep>(method, options, 'step', settings, encodeBatch(batch)),
      )
      rows.push({ method, ...found })
      const name = `online | ${method} | T ${TIME_STEPS} | batch ${size} | threads ${threads}`
      addBeside(section, name, found, "authors' code", torch)
    })
  }
  section.table(
    `Training steps of OTTT and SLTT beside their authors' code on PyTorch ${torch}: their VGG ` +
      `on 3×32×32, batch ${size}, T ${TIME_STEPS}, threads ${threads}`,
    [
      'From their fresh weights, on one batch of coarse noise: forward and backward at each ' +
        'step, then SGD once.',
      'SLTT: without the multiplication of its dropout of rate 0, and the classifier reads the ' +
        'one pixel that is left instead of 49 copies; that makes their step shorter.',
      ...besideNotes,
    ],
    [['method', ({ method }) => method], ...besideColumns],
    rows,
  )
}

/** Shapes of one image's outputs of convolutions and linear layers. */
function shapesOf({ session }: Model): Shapes {
  const nodes = session.graph.nodes.filter(({ kind }) => kind === 'conv2d' || kind === 'linear')
  return Object.fromEntries(
    nodes.map(({ name, kind, shape }) => [name, kind === 'linear' ? shape.slice(0, 1) : shape]),
  )
}

interface Theirs {
  readonly loss: number
  readonly parameters: number
  readonly shapes: Shapes
}

/** @throws SpikewasmError where the two networks are not the same */
function checkSame(method: OnlineMethod, model: Model, theirs: Theirs): void {
  const [ours, other] = [shapesOf(model), theirs.shapes].map((shapes) => JSON.stringify(shapes))
  if (model.parameterCount !== theirs.parameters || ours !== other)
    fail(
      `bench.${method}: our network must be theirs, got ${model.parameterCount} parameters and ` +
        `${ours}, theirs ${theirs.parameters} and ${other}; use the newest commit of their code`,
    )
}

/** Largest 1 − cosine of a gradient with theirs: roundings give 1e-10, another network 1e-2. */
const SAME_GRADIENT = 1e-6

/** One step from the same weights on the same batch: how far output and gradients differ. */
const compareMethod = (method: OnlineMethod, options: BenchOptions) =>
  withNetwork(method, options, SMALL_BATCH, async (model) => {
    const settings = { batch: SMALL_BATCH, 'time-steps': TIME_STEPS }
    const batch = makeImages(SMALL_BATCH)
    const run = (out: string) => {
      const all = { ...settings, out }
      const found = runCode<Theirs>(method, options, 'agreement', all, encodeBatch(batch))
      checkSame(method, model, found)
      return found
    }
    const found = await stepAgainst(model, run, batch)
    const { distance, parameter } = found.gradient
    if (!(distance < SAME_GRADIENT))
      fail(
        `bench.${method}: gradients must be theirs, got 1 − cosine ${distance} for ${parameter}; ` +
          'use the newest commit of their code',
      )
    const rates = describeRates(model.firingRates())
    return { method, parameters: model.parameterCount, rates, ...found }
  })

async function onlineAgreement(section: Section): Promise<void> {
  const rows: Awaited<ReturnType<typeof compareMethod>>[] = []
  for (const method of onlineMethods) {
    section.progress(`online agreement ${method}`)
    const row = await compareMethod(method, section.options)
    rows.push(row)
    const { parameter, distance } = row.gradient
    section.entry(`online | ${method} | gradient, worst: ${parameter}`, '1 − cosine', distance)
  }
  section.table(
    `One step of OTTT and SLTT against their authors' code, batch ${SMALL_BATCH}`,
    [
      'From their fresh network. Number of parameters and shapes of all layers are equal, or ' +
        'this is an error. output: largest difference over largest output. 1 − cosine: of the ' +
        'gradient that is least parallel, parameter: which that is.',
      'noise: biases right before a normalisation have a true gradient of zero. A potential ' +
        'within rounding of the threshold can flip a spike, which the layers behind spread.',
    ],
    [
      ['method', ({ method }) => method],
      ['parameters', ({ parameters }) => parameters.toLocaleString('en')],
      ...stepColumns.filter(([head]) => head !== 'loss'),
      ['rate', ({ rates }) => rates],
    ],
    rows,
  )
}

/**
 * @throws SpikewasmError that says how to get a checkout that is missing, or that a network is not
 *   theirs
 */
export async function benchOnline(section: Section): Promise<void> {
  for (const method of onlineMethods) checkOnline(section.options, method)
  await onlineAgreement(section)
  await onlineSteps(section, onlineMethods)
}
