/**
 * Training online beside the code of its authors on PyTorch: OTTT and SLTT, the VGG network of each
 * from the same weights, batch 32, T 6. Time of a step, and whether both do the same: parameters,
 * shapes, output and gradients.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeBatch } from '../src/bench/networks.js'
import { peakGflops } from '../src/bench/peak.js'
import { addReport, deviation, digits, emptyReport, type Report } from '../src/bench/report.js'
import { expect } from '../src/errors.js'
import { parseState } from '../src/io/state.js'
import type { Model } from '../src/model.js'
import { compile } from '../src/network.js'
import { traitsOf } from '../src/plan/methods.js'
import { compareGradients, largestDifference, readGolden } from './agreement.js'
import {
  checkOnline,
  type OnlineMethod,
  onlineMethods,
  type PeerStep,
  runOnline,
} from './official-code.js'
import { limitNotes } from './official-rows.js'
import { onlineInput, onlineNetworks } from './online-networks.js'
import { denseOperations, flop, limitMs, ownOperations } from './operations.js'
import type { BenchOptions } from './options.js'
import {
  describeOthers,
  describeRates,
  encodeBatch,
  measureSideBySide,
  stepBudget,
  stepSettings,
  type TrainingBatch,
} from './side-by-side.js'

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

interface Compiled {
  readonly method: OnlineMethod
  readonly threads: number
  readonly batchSize: number
}

const compileOnline = ({ method, threads, batchSize }: Compiled): Promise<Model> =>
  compile(onlineNetworks[method](), {
    input: onlineInput,
    method,
    timeSteps: TIME_STEPS,
    threads,
    batchSize,
    seed: 0,
  })

/** Runs `body` with a file name in a folder of its own, which is gone afterwards. */
async function withFile<T>(body: (path: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'online-'))
  try {
    return await body(join(folder, 'network.safetensors'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const batchOf = ({ quick }: BenchOptions): number => (quick ? QUICK_BATCH : BATCH)

async function timeMethod(method: OnlineMethod, options: BenchOptions) {
  const { threads } = options
  const budget = stepBudget(options)
  const size = batchOf(options)
  const batch = makeImages(size)
  const model = await compileOnline({ method, threads, batchSize: size })
  try {
    await withFile(async (out) => {
      runOnline(options, method, 'state', { out })
      model.loadStateDict(parseState(readFileSync(out), out))
    })
    const settings = { batch: size, 'time-steps': TIME_STEPS, ...stepSettings(budget) }
    const sides = await measureSideBySide(model, batch, budget, () =>
      runOnline<PeerStep>(options, method, 'step', settings, encodeBatch(batch)),
    )
    const { graph } = model.session
    const ours = ownOperations(graph, traitsOf(model), sides.rates, TIME_STEPS, size)
    const theirs = denseOperations(graph, method, TIME_STEPS, size)
    return {
      ...sides,
      operations: { ours: flop(ours), theirs: flop(theirs) },
      limits: {
        ours: limitMs(ours, peakGflops() * threads),
        theirs: limitMs(theirs, sides.theirs.peakGflops),
      },
    }
  } finally {
    await model.dispose()
  }
}

/** Steps of the methods, each beside its authors' code. */
export async function onlineSteps(
  methods: readonly OnlineMethod[],
  options: BenchOptions,
  label: string,
  progress: (text: string) => void,
): Promise<Report> {
  const report = emptyReport()
  const rows: string[][] = []
  let torch = ''
  for (const method of methods) {
    torch = checkOnline(options, method)
    progress(`online ${method}`)
    const measured = await timeMethod(method, options)
    const { ours, theirs, operations, limits } = measured
    const ratio = ours.median / theirs.median
    const rates = describeRates(measured.rates)
    rows.push([
      method,
      String(options.threads),
      digits(ours.median),
      digits(theirs.median),
      ratio.toFixed(2),
      (ours.best / theirs.best).toFixed(2),
      `${deviation(ours.spread)}, ${deviation(theirs.spread)}`,
      describeOthers(measured.others),
      rates,
      digits(theirs.residentMiB),
      digits(operations.ours / 1e9),
      digits(limits.ours),
      (ours.median / limits.ours).toFixed(2),
      digits(operations.theirs / 1e9),
      digits(limits.theirs),
      (theirs.median / limits.theirs).toFixed(2),
    ])
    const name =
      `online | ${method} | T ${TIME_STEPS} | batch ${batchOf(options)} | threads ` +
      `${options.threads}`
    for (const [who, times, about] of [
      ['spikewasm', ours, `rate ${rates}`],
      ["authors' code", theirs, `PyTorch ${torch}`],
    ] as const)
      report.smallerIsBetter.push({
        name: `${name} | ${who}`,
        unit: 'ms',
        value: times.median,
        range: deviation(times.spread),
        extra: `fastest ${digits(times.best)} ms, ${times.samples} samples\n${about}\n${label}`,
      })
    report.smallerIsBetter.push({
      name: `${name} | ratio`,
      unit: 'ours / theirs',
      value: ratio,
      extra: `other processes ${describeOthers(measured.others)}\n${label}`,
    })
  }
  report.tables.push({
    title:
      `Training steps of OTTT and SLTT beside their authors' code on PyTorch ${torch}: their VGG ` +
      `on 3×32×32, batch ${batchOf(options)}, T ${TIME_STEPS}`,
    notes: [
      'From their fresh weights, on one batch of coarse noise: forward and backward at each ' +
        'step, then SGD once. ms: median at learning rate 0, behind steps that train, in the ' +
        'order ours, theirs, ours.',
      'SLTT: without the multiplication of its dropout of rate 0, and the classifier reads the ' +
        'one pixel that is left instead of 49 copies; that makes their step shorter.',
      'rate: our spikes per neuron and step; theirs is dense. others: what other processes took ' +
        'of the processors.',
      ...limitNotes,
    ],
    head: [
      'method',
      'threads',
      'ours ms',
      'theirs ms',
      'ratio',
      'fastest',
      'spread',
      'others',
      'rate',
      'theirs MiB',
      'ours GFLOP',
      'limit ms',
      '× limit',
      'theirs GFLOP',
      'limit ms',
      '× limit',
    ],
    rows,
  })
  return report
}

/** Shapes of one image's outputs of convolutions and linear layers. */
function shapesOf({ session }: Model): Shapes {
  const nodes = session.graph.nodes.filter(({ kind }) => kind === 'conv2d' || kind === 'linear')
  return Object.fromEntries(
    nodes.map(({ name, kind, shape }) => [name, kind === 'linear' ? shape.slice(0, 1) : shape]),
  )
}

/** @throws SpikewasmError where the two networks are not the same */
function checkSame(
  method: OnlineMethod,
  model: Model,
  theirs: { readonly parameters: number; readonly shapes: Shapes },
): void {
  const [ours, other] = [shapesOf(model), theirs.shapes].map((shapes) => JSON.stringify(shapes))
  expect(
    model.parameterCount === theirs.parameters && ours === other,
    () =>
      `bench.${method}: our network must be theirs, got ${model.parameterCount} parameters and ` +
      `${ours}, theirs ${theirs.parameters} and ${other}; use the newest commit of their code`,
  )
}

/** Largest 1 − cosine of a gradient with theirs: roundings give 1e-10, another network 1e-2. */
const SAME_GRADIENT = 1e-6

/** One step from the same weights on the same batch: how far output and gradients differ. */
async function compareMethod(method: OnlineMethod, options: BenchOptions) {
  const model = await compileOnline({ method, threads: options.threads, batchSize: SMALL_BATCH })
  try {
    return await withFile(async (out) => {
      const settings = { batch: SMALL_BATCH, 'time-steps': TIME_STEPS, out }
      const batch = makeImages(SMALL_BATCH)
      const theirs = runOnline<{ loss: number; parameters: number; shapes: Shapes }>(
        options,
        method,
        'agreement',
        settings,
        encodeBatch(batch),
      )
      checkSame(method, model, theirs)
      const golden = readGolden(out, theirs.loss)
      model.loadStateDict(golden.before)
      await model.trainStep(batch.x, batch.y, { update: false })
      const gradient = compareGradients(model, golden)
      expect(
        gradient.distance < SAME_GRADIENT,
        () =>
          `bench.${method}: gradients must be theirs, got 1 − cosine ${gradient.distance} for ` +
          `${gradient.parameter}; use the newest commit of their code`,
      )
      return {
        parameters: theirs.parameters,
        output: largestDifference(model.output(), golden.values('output')),
        gradient,
        rates: describeRates(model.firingRates()),
      }
    })
  } finally {
    await model.dispose()
  }
}

async function onlineAgreement(
  options: BenchOptions,
  label: string,
  progress: (text: string) => void,
): Promise<Report> {
  const report = emptyReport()
  const rows: string[][] = []
  for (const method of onlineMethods) {
    progress(`online agreement ${method}`)
    const { parameters, output, gradient, rates } = await compareMethod(method, options)
    rows.push([
      method,
      parameters.toLocaleString('en'),
      output.toExponential(1),
      gradient.distance.toExponential(1),
      gradient.parameter,
      gradient.noise.toExponential(1),
      rates,
    ])
    report.smallerIsBetter.push({
      name: `online | ${method} | gradient, worst: ${gradient.parameter}`,
      unit: '1 − cosine',
      value: gradient.distance,
      extra: label,
    })
  }
  report.tables.push({
    title: `One step of OTTT and SLTT against their authors' code, batch ${SMALL_BATCH}`,
    notes: [
      'From their fresh network. Number of parameters and shapes of all layers are equal, or ' +
        'this is an error. output: largest difference over largest output. 1 − cosine: of the ' +
        'gradient that is least parallel, parameter: which that is.',
      'noise: biases right before a normalisation have a true gradient of zero. A potential ' +
        'within rounding of the threshold can flip a spike, which the layers behind spread.',
    ],
    head: ['method', 'parameters', 'output', '1 − cosine', 'parameter', 'noise', 'rate'],
    rows,
  })
  return report
}

/**
 * @throws SpikewasmError that says how to get a checkout that is missing, or that a network is not
 *   theirs
 */
export async function benchOnline(
  options: BenchOptions,
  label: string,
  progress: (text: string) => void,
): Promise<Report> {
  for (const method of onlineMethods) checkOnline(options, method)
  const report = await onlineAgreement(options, label, progress)
  addReport(report, await onlineSteps(onlineMethods, options, label, progress))
  return report
}
