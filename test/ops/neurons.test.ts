/** Neurons, forward and back, against their definition in float64. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as ops from '../../src/ops/index.js'
import { bySample, byStep, placeOf } from '../support/frames.js'
import {
  type Dynamics,
  eligibilityOf,
  fire,
  gradientsOf,
  randomDynamics,
  surrogatesOf,
} from '../support/neurons.js'
import { expectNear, forShapes, inEveryRun, type RandomShapes } from '../support/ops.js'
import { eachWindow, runWith, windowsAlong } from '../support/ops-convolution.js'

/** Rounding errors of float32 stay below it. */
const MARGIN = 3e-4

type Affine = boolean | 'steps'
interface Shape {
  readonly T: number
  readonly B: number
  readonly C: number
  readonly H: number
  readonly W: number
  readonly flat: boolean
  /** As `ops.lif` takes it: [T, N], [B, T, C] or [B, T, C, H, W], without T where it is still. */
  readonly input: number[]
  readonly neurons: number
}

/** What neurons read, as arrays in PyTorch's order, and one number of it. */
interface Reads {
  readonly options: {
    input: number[]
    timeSteps?: number
    affine: Affine
    residual: { affine: Affine; still: boolean } | undefined
    shortcut: false | number
    learnable: boolean
  }
  /** Arguments of `run`. */
  readonly args: (Float32Array | Uint8Array)[]
  readonly current: (t: number, neuron: number) => number
  readonly xhat: (t: number, neuron: number) => number
  readonly residualXhat: (t: number, neuron: number) => number
}

function randomShape(r: RandomShapes, still: boolean): Shape {
  const T = r.chance(0.35) ? r.int(9, 20) : r.int(1, 8)
  const flat = r.chance(0.3)
  const [H, W] = flat ? [1, 1] : [r.int(1, 4), r.int(1, 4)]
  const listed = flat && !still && r.chance(0.4)
  const B = listed ? 1 : r.int(1, 3)
  const C = r.pick([1, 3, 4, 6, 8, 11, 16, 20])
  const one = listed ? [C] : flat ? [B, C] : [B, C, H, W]
  const timed = listed ? [T, C] : [B, T, ...one.slice(1)]
  return { T, B, C, H, W, flat, input: still ? one : timed, neurons: B * C * H * W }
}

/** Where a neuron's number of a step lies among those of T steps. */
const atStep = ({ B, neurons }: Shape, T: number) => placeOf(T, neurons / B)

const pickAffine = (r: RandomShapes): Affine => r.pick([false, false, true, 'steps'])

/** A current with its affine map. */
function randomCurrent(
  r: RandomShapes,
  shape: Shape,
  affine: Affine,
  still: boolean,
  scale: number,
  normalised: boolean,
) {
  const { T, C, H, W, neurons } = shape
  const x = r.floats(neurons * (still ? 1 : T), scale)
  const place = atStep(shape, still ? 1 : T)
  const rows = C * (affine === 'steps' ? T : 1)
  const vectors = {
    scale: r.floats(rows).map((v) => 0.8 + 0.4 * v),
    shift: r.floats(rows, 0.3),
    mean: r.floats(rows, 0.5),
    invStd: r.floats(rows).map((v) => 1.2 + v),
  }
  const at = (t: number, i: number): number => x[place(still ? 0 : t, i)]
  const row = (t: number, i: number): number =>
    (affine === 'steps' ? t * C : 0) + (Math.floor(i / (H * W)) % C)
  const { scale: s, shift, mean, invStd } = vectors
  return {
    x,
    args: [x, ...(affine ? [s, shift, ...(normalised ? [mean, invStd] : [])] : [])],
    value: (t: number, i: number) =>
      affine ? at(t, i) * s[row(t, i)] + shift[row(t, i)] : at(t, i),
    xhat: (t: number, i: number) => (at(t, i) - mean[row(t, i)]) * invStd[row(t, i)],
  }
}

function randomReads(
  r: RandomShapes,
  shape: Shape,
  still: boolean,
  d: Dynamics,
  normalised: boolean,
) {
  const { T, neurons } = shape
  const place = atStep(shape, T)
  const affine = pickAffine(r)
  const residual = r.chance(0.3) ? { affine: pickAffine(r), still: r.chance(0.3) } : undefined
  const shortcut = r.chance(0.3) && r.pick([1, 0.6])
  const strength = d.vThreshold * (d.decayInput ? d.tau : 1) * 1.3
  const first = randomCurrent(r, shape, affine, still, strength, normalised)
  const second = residual
    ? randomCurrent(r, shape, residual.affine, residual.still, strength, normalised)
    : undefined
  const arriving = r.spikes(shortcut ? T * neurons : 0)
  const reads: Reads = {
    options: {
      input: shape.input,
      ...(still && { timeSteps: T }),
      affine,
      residual,
      shortcut,
      learnable: d.w !== undefined,
    },
    args: [
      ...first.args,
      ...(second?.args ?? []),
      ...(shortcut ? [arriving] : []),
      ...(d.w === undefined ? [] : [Float32Array.of(d.w)]),
    ],
    current: (t, i) =>
      first.value(t, i) +
      (second?.value(t, i) ?? 0) +
      (shortcut ? shortcut * arriving[place(t, i)] : 0),
    xhat: first.xhat,
    residualXhat: second?.xhat ?? first.xhat,
  }
  keepAway(r, d, reads, shape, { x: first.x, rows: still ? 1 : T, strength })
  return reads
}

const currentsOf = ({ current }: Reads, T: number, i: number): number[] =>
  Array.from({ length: T }, (_, t) => current(t, i))

/** A rounding error near the threshold would flip a spike: such neurons get other currents. */
function keepAway(
  r: RandomShapes,
  d: Dynamics,
  reads: Reads,
  shape: Shape,
  { x, rows, strength }: { x: Float32Array; rows: number; strength: number },
): void {
  const { T, neurons } = shape
  const place = atStep(shape, rows)
  for (let i = 0; i < neurons; i++)
    for (let tries = 0; fire(d, currentsOf(reads, T, i)).margin < MARGIN; tries++) {
      if (tries === 100) throw new Error('no currents keep away from the threshold')
      for (let t = 0; t < rows; t++) x[place(t, i)] = r.floats(1, strength)[0]
    }
}

/** Which loops of the engine such neurons run in, by the conditions that the kernels document. */
function pathOf(d: Dynamics, { options }: Reads, outputs: readonly string[], carries: boolean) {
  const { affine, residual, shortcut, timeSteps } = options
  const usual = d.vReset === null && d.detachReset && !(residual && shortcut) && d.vThreshold <= 4
  const terms = residual ? 'B' : shortcut ? 'S' : timeSteps ? 'Still' : 'A'
  const groups = affine === 'steps' || (residual && residual.affine === 'steps')
  if (usual && outputs.some((name) => name === 'eligibilities' || name === 'surrogates'))
    return `learn${groups ? 'Groups' : ''}${terms}`
  const maps = affine === true && (!residual || residual.affine === true)
  const plain = usual && !d.decayInput && maps && !carries && !outputs.includes('xhat')
  return plain && !outputs.includes('residualXhat') ? `plain${terms}` : 'general'
}

/** Steps of each neuron, as [B][T][…]. */
function transposed(shape: Shape, rows: readonly (readonly number[])[]): number[] {
  const T = rows[0].length
  const out = new Array<number>(rows.length * T)
  const place = atStep(shape, T)
  for (const [i, row] of rows.entries()) for (const [t, v] of row.entries()) out[place(t, i)] = v
  return out
}

/** All outputs of neurons. `from`: the first step whose spikes and surrogates are wanted. */
function expected(d: Dynamics, reads: Reads, shape: Shape, from = 0, total = shape.T) {
  const { T, neurons } = shape
  const each = Array.from({ length: neurons }, (_, i) => {
    const currents = currentsOf(reads, T, i)
    const fired = fire(d, currents)
    const mean = (of: (t: number, i: number) => number): number =>
      currents.reduce((sum, _, t) => sum + of(t, i), 0) / total
    const counts = fired.s.reduce((a, b) => a + b, 0)
    return {
      spikes: fired.s.slice(from),
      surrogates: surrogatesOf(d, fired).slice(from),
      counts,
      rates: counts / total,
      eligibilities: eligibilityOf(d, currents, total),
      xhat: mean(reads.xhat),
      residualXhat: mean(reads.residualXhat),
      potential: fired.v,
    }
  })
  const all = <K extends keyof (typeof each)[number]>(name: K) => each.map((of) => of[name])
  return {
    spikes: transposed(shape, all('spikes')),
    surrogates: transposed(shape, all('surrogates')),
    counts: all('counts'),
    rates: all('rates'),
    eligibilities: all('eligibilities'),
    xhat: all('xhat'),
    residualXhat: all('residualXhat'),
    potential: all('potential'),
  }
}

type LifOutput = NonNullable<ops.OptionsOf<typeof ops.lif>['outputs']>[number]
type LifResults = Record<LifOutput, ops.Values>

function checkOutputs(
  result: Partial<LifResults>,
  reference: ReturnType<typeof expected>,
  names: readonly LifOutput[],
): void {
  assert.equal(Object.keys(result).sort(), [...names].sort())
  for (const name of names) {
    const values = result[name] as ArrayLike<number>
    if (name === 'spikes' || name === 'counts')
      assert.equal(Array.from(values), reference[name], name)
    else if (name === 'xhat' || name === 'residualXhat')
      // Where x̂ cancels, the error is that of its terms.
      assert.ok(
        reference[name].every((v, i) => Math.abs(v - values[i]) < 2e-5),
        name,
      )
    else expectNear(name, values, reference[name], 2e-5)
  }
}

const paths = new Set<string>()

/** A few of the outputs that the options allow. */
function pickOutputs(r: RandomShapes, { options }: Reads, normalised: boolean): LifOutput[] {
  const names = (['spikes', 'counts', 'rates', 'eligibilities', 'surrogates'] as const).filter(() =>
    r.chance(0.35),
  )
  return [
    ...(names.length > 0 ? names : (['spikes'] as const)),
    ...(normalised && options.affine ? (['xhat'] as const) : []),
    ...(normalised && options.residual?.affine ? (['residualXhat'] as const) : []),
  ]
}

const asObject = (result: unknown, names: readonly string[]): Partial<LifResults> =>
  (names.length === 1 ? { [names[0]]: result } : result) as Partial<LifResults>

/** Neurons, what they read, and outputs to ask for. */
function randomNeurons(r: RandomShapes) {
  const d = randomDynamics(r)
  if (r.chance(0.15)) {
    d.tau = 2
    d.w = r.floats(1)[0]
  }
  const still = r.chance(0.2)
  const shape = randomShape(r, still)
  const normalised = r.chance(0.3)
  const reads = randomReads(r, shape, still, d, normalised)
  const { w: _, ...neuron } = d
  return { d, shape, reads, normalised, options: { ...neuron, ...reads.options } }
}

test('lif: every output of every kind of neuron', () => {
  // Fewer do not run all paths.
  forShapes(inEveryRun(600), (r) => {
    const { d, shape, reads, normalised, options } = randomNeurons(r)
    const outputs = pickOutputs(r, reads, normalised && r.chance(0.7))
    const asked = { ...options, outputs, engine: r.engine } as const
    const [first, second] = [outputs.includes('xhat'), outputs.includes('residualXhat')]
    const plan = ops.lif.plan(asked)
    assert.equal(plan.kernels, outputs.includes('rates') ? ['Neuron', 'Materialise'] : ['Neuron'])
    // Arguments are there for what was asked.
    const result = runWith<unknown>(plan, argsOf(reads, normalised, first, second))
    checkOutputs(asObject(result, outputs), expected(d, reads, shape), outputs)
    paths.add(pathOf(d, reads, outputs, false))
    return { options: asked }
  })
  const wanted = [
    ...['A', 'B', 'S', 'Still'].map((terms) => `learn${terms}`),
    ...['A', 'B', 'S'].flatMap((terms) => [`learnGroups${terms}`, `plain${terms}`]),
    'general',
  ]
  for (const path of wanted) assert.ok(paths.has(path), `no shape has run ${path}`)
})

/** Arguments without the means and inverse deviations that nobody asked for. */
function argsOf({ args, options }: Reads, given: boolean, first: boolean, second: boolean) {
  if (!given) return args
  const { affine, residual } = options
  const without = new Set<number>()
  if (affine && !first) for (const i of [3, 4]) without.add(i)
  const at = affine ? 5 : 1
  if (residual?.affine && !second) for (const i of [3, 4]) without.add(at + i)
  return args.filter((_, i) => !without.has(i))
}

test('lif: runs go on from each other', () => {
  forShapes(200, (r) => {
    const d = randomDynamics(r)
    const shape = { ...randomShape(r, false), T: r.int(2, 18) }
    const { T, B, neurons } = shape
    const time = shape.input.length === 2 ? 0 : 1
    shape.input[time] = T
    const affine = r.pick([false, true, 'steps'] as const)
    const first = randomCurrent(r, shape, affine, false, 2 * d.vThreshold, true)
    const reads: Reads = {
      options: {
        input: shape.input,
        affine,
        residual: undefined,
        shortcut: false,
        learnable: false,
      },
      args: first.args,
      current: first.value,
      xhat: first.xhat,
      residualXhat: first.xhat,
    }
    keepAway(r, d, reads, shape, { x: first.x, rows: T, strength: 2 * d.vThreshold })
    const outputs = [
      'spikes',
      'counts',
      ...r.pick([['rates', 'eligibilities'], ['surrogates'], ['eligibilities', 'surrogates'], []]),
      ...(affine ? ['xhat'] : []),
      'potential',
    ] as LifOutput[]
    const cut = r.int(1, T - 1)
    const options = { ...d, affine, outputs, totalSteps: T }
    const rows = affine === 'steps' ? shape.C : 0
    let result: unknown
    let from = 0
    const state = { potential: new Float32Array(neurons) }
    let before: Record<string, unknown> | undefined
    for (const [begin, end] of [
      [0, cut],
      [cut, T],
    ]) {
      const input = shape.input.with(time, end - begin)
      const plan = ops.lif.plan({ ...(options as Omit<typeof options, 'w'>), input })
      // What it has summed up so far comes from the plan before.
      const here = plan as unknown as Record<string, Float32Array>
      for (const name of ['counts', 'eligibilities', 'xhat', 'state'])
        if (before && name in here) here[name].set(before[name] as Float32Array)
      const [x, ...vectors] = first.args
      const args = [
        bySample(
          byStep(x as Float32Array, T, B).slice(begin * neurons, end * neurons),
          end - begin,
          B,
        ),
        ...vectors.map((v) => (rows ? v.slice(begin * rows, end * rows) : v)),
        state.potential,
        { step: begin },
      ]
      result = plan.run(...(args as [Float32Array]))
      before = here
      from = begin
    }
    checkOutputs(result as Partial<LifResults>, expected(d, reads, shape, from, T), outputs)
    assert.is((result as LifResults).potential, state.potential)
    return { options }
  })
})

/** Windows of average pooling, or none. */
function randomDelta(r: RandomShapes, { H, W, flat }: Shape, time: boolean): ops.GradientTerm {
  const scale = r.pick([undefined, 0.5])
  const still = time && r.chance(0.2)
  const more = { ...(scale && { scale }), ...(still && { still }) }
  if (flat || r.chance(0.5)) return more
  const kernelSize = [r.int(1, Math.min(3, H)), r.int(1, Math.min(3, W))] as const
  const stride = r.chance(0.5) ? kernelSize : ([r.int(1, 3), r.int(1, 3)] as const)
  const padding = r.chance(0.7) ? 0 : (kernelSize.map((k) => Math.floor(k / 2)) as [number, number])
  return { ...more, kernelSize, stride, padding }
}

/** The array of a delta, and what it gives to the spikes, [B][T][…]. */
function handedBack(r: RandomShapes, shape: Shape, T: number, of: ops.GradientTerm) {
  const { B, C, H, W, neurons } = shape
  const place = atStep(shape, T)
  const { kernelSize = 1, stride = kernelSize, padding = 0 } = of
  const [k, s, p] = [kernelSize, stride, padding].map((size) =>
    typeof size === 'number' ? ([size, size] as const) : size,
  )
  const window = { kernelSize: k, stride: s, padding: p }
  const size = windowsAlong(window, 0, H) * windowsAlong(window, 1, W)
  const steps = of.still ? 1 : T
  const delta = r.floats(steps * B * C * size)
  const factor = (of.scale ?? 1) / (k[0] * k[1])
  const out = new Float64Array(T * neurons)
  for (let t = 0; t < T; t++)
    for (let plane = 0; plane < B * C; plane++)
      eachWindow(window, [H, W], (number, places) => {
        const from = placeOf(steps, C)(of.still ? 0 : t, plane) * size + number
        for (const { at } of places) out[place(t, plane * H * W + at)] += delta[from] * factor
      })
  return { delta, out }
}

function randomDeltas(r: RandomShapes, shape: Shape, T: number, time: boolean) {
  const deltas = Array.from({ length: r.pick([1, 1, 2, 3]) }, () => randomDelta(r, shape, time))
  const back = deltas.map((of) => handedBack(r, shape, T, of))
  const sum = back[0].out.map((_, i) => back.reduce((total, { out }) => total + out[i], 0))
  return { deltas, args: back.map(({ delta }) => delta), sum }
}

for (const mode of ['rate', 'online'] as const)
  test(`lifBackward, ${mode}: gradients that arrive, times a factor`, () => {
    const kinds = new Set<string>()
    forShapes(200, (r) => {
      const still = mode === 'rate' || r.chance(0.2)
      const shape = randomShape(r, true)
      const T = still ? 1 : r.int(1, 5)
      const input = still ? shape.input : shape.input.toSpliced(1, 0, T)
      const { deltas, args, sum } = randomDeltas(r, shape, T, false)
      const factor = r.floats(T * shape.neurons, 2)
      const options = { mode, input, deltas, engine: r.engine } as const
      const plan = ops.lifBackward.plan(options)
      for (const kernel of plan.kernels) kinds.add(kernel)
      const expected = factor.map((f, i) => f * sum[i])
      expectNear('gradient', runWith(plan, [...args, factor]), expected, 2e-6)
      return { options }
    })
    assert.equal([...kinds], [mode === 'rate' ? 'NeuronBackwardRate' : 'NeuronBackwardOnline'])
  })

test('lifBackward, time: the gradient of a network of lines', () => {
  const seen = { usual: 0, any: 0, w: 0 }
  forShapes(220, (r) => {
    const { d, shape, reads, normalised, options } = randomNeurons(r)
    const { T, neurons } = shape
    const place = atStep(shape, T)
    const { deltas, args, sum } = randomDeltas(r, shape, T, true)
    const asked = { ...options, mode: 'time', deltas, engine: r.engine } as const
    const plan = ops.lifBackward.plan(asked as ops.OptionsOf<typeof ops.lifBackward>)
    const learns = d.w !== undefined
    assert.equal(plan.kernels, [
      'NeuronBackwardTime',
      ...(learns ? ['LearnGradient', 'LearnFinish'] : []),
    ])
    const result = runWith<object>(plan, [...args, ...argsOf(reads, normalised, false, false)])
    const each = Array.from({ length: neurons }, (_, i) => {
      const arriving = Array.from({ length: T }, (_, t) => sum[place(t, i)])
      return gradientsOf(d, currentsOf(reads, T, i), arriving)
    })
    const { inputGradient, wGradient } = (learns ? result : { inputGradient: result }) as Record<
      'inputGradient' | 'wGradient',
      Float32Array
    >
    const currents = each.map((of) => of.current)
    expectNear('gradient', inputGradient, transposed(shape, currents), 2e-5)
    if (learns) {
      const [w] = wGradient
      const wanted = each.reduce((total, of) => total + of.w, 0)
      const scale = each.reduce((total, of) => total + Math.abs(of.w), 1e-6)
      assert.ok(Math.abs(w - wanted) < 2e-5 * scale, `w: ${w}, ${wanted} expected`)
      seen.w++
    } else if (d.vReset === null && d.detachReset && reads.options.affine === true) seen.usual++
    else seen.any++
    return { options: asked }
  })
  for (const [kind, count] of Object.entries(seen)) assert.ok(count >= 3, `${kind}: ${count}`)
})

test.run()
