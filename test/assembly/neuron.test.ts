/**
 * Neuron kernels against the official code's numbers and a float64 reference written straight from
 * the equations.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  ContributionWord,
  NeuronBackWord,
  NeuronWord,
  Op,
  Surrogate,
} from '../../assembly/opcodes.js'
import type { SurrogateName } from '../../src/index.js'
import { type Calls, callsOf } from '../../src/plan/calls.js'
import { neuronScratch, surrogates } from '../../src/plan/neuron-record.js'
import { f32, isFor, TestEngine, testRandom, variants, type Words } from '../support/engine.js'
import { surrogateDerivative } from '../support/reference.js'
import { readFixture } from '../support/safetensors.js'
import { surrogateNames } from '../support/tables.js'

const KINDS: SurrogateName[] = []
for (const name of surrogateNames) KINDS[surrogates[name]] = name

/** h'(x) of the surrogate, in float64. */
const surrogate = (kind: Surrogate, alpha: number, x: number): number =>
  surrogateDerivative({ surrogate: KINDS[kind], alpha }, x)

const none: Words = {}

interface Dynamics {
  lambda: number
  kappa: number
  rest: number
  theta: number
  hard: boolean
  detach: boolean
  kind: Surrogate
  alpha: number
}

/** One neuron over its currents: everything that the kernels give, in float64. */
function simulate(d: Dynamics, current: number[], spikeGradient?: number[]) {
  const u: number[] = []
  const s: number[] = []
  const h: number[] = []
  const before: number[] = []
  const kept: number[] = []
  let v = d.rest
  let rho = 1
  let eligibility = 0
  let margin = Number.POSITIVE_INFINITY
  for (const i of current) {
    before.push(v)
    const ut = d.lambda * v + (1 - d.lambda) * d.rest + d.kappa * i
    const st = ut >= d.theta ? 1 : 0
    const ht = surrogate(d.kind, d.alpha, ut - d.theta)
    const slope = d.hard
      ? 1 - st - (d.detach ? 0 : (ut - d.rest) * ht)
      : 1 - (d.detach ? 0 : d.theta * ht)
    eligibility += ht * rho * d.kappa
    rho = 1 + d.lambda * rho * slope
    v = d.hard ? (st ? d.rest : ut) : ut - d.theta * st
    margin = Math.min(margin, Math.abs(ut - d.theta))
    if (d.kind === Surrogate.Rectangle)
      margin = Math.min(margin, Math.abs(Math.abs(ut - d.theta) - 1 / (2 * d.alpha)))
    u.push(ut)
    s.push(st)
    h.push(ht)
    kept.push(slope)
  }
  const delta: number[] = []
  let gain = 0
  if (spikeGradient) {
    let later = 0
    for (let t = current.length - 1; t >= 0; t--) {
      later = spikeGradient[t]! * h[t]! + later * d.lambda * kept[t]!
      delta[t] = d.kappa * later
      gain += later * ((d.kappa === 1 ? 0 : current[t]!) - (before[t]! - d.rest))
    }
  }
  return { u, s, h, rho, v, eligibility: eligibility / current.length, margin, delta, gain }
}

function dynamicsWords(d: Dynamics): Words {
  return {
    [NeuronWord.Lambda]: f32(d.lambda),
    [NeuronWord.Kappa]: f32(d.kappa),
    [NeuronWord.Rest]: f32(d.rest),
    [NeuronWord.Threshold]: f32(d.theta),
    [NeuronWord.HardReset]: Number(d.hard),
    [NeuronWord.Detach]: Number(d.detach),
    [NeuronWord.Surrogate]: d.kind,
    [NeuronWord.Alpha]: f32(d.alpha),
  }
}

/** `what` makes its text for what is wrong alone: for all it takes longer than the kernels. */
function close(actual: number, expected: number, tolerance: number, what: () => string): void {
  if (!(Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected))))
    assert.unreachable(`${what()}: got ${actual}, expected ${expected}`)
}

function randomDynamics(random: () => number): Dynamics {
  const hard = random() < 0.4
  const fround = Math.fround
  return {
    lambda: fround(0.1 + 0.8 * random()),
    kappa: random() < 0.6 ? 1 : fround(0.2 + 0.7 * random()),
    rest: hard && random() < 0.5 ? fround(random() - 0.6) : 0,
    theta: random() < 0.5 ? 1 : fround(0.5 + random()),
    hard,
    detach: random() < 0.6,
    kind: Math.floor(random() * 7),
    alpha: fround(1 + 3 * random()),
  }
}

interface Term {
  address: number
  value(pixel: number, t: number, c: number): number
  normalised(pixel: number, t: number, c: number): number
  words: [
    data: number,
    pixelBytes: number,
    stepBytes: number,
    scale: number,
    shift: number,
    mean: number,
    invStd: number,
    groupBytes: number,
  ]
  xhat: number
}

/** A float term with random data; affine, static and grouped at will. */
function randomTerm(
  engine: TestEngine,
  random: () => number,
  P: number,
  T: number,
  C: number,
  options: Pick<NeuronCase, 'plain' | 'groups' | 'calls' | 'still'> & { xhat: number },
): Term {
  const still = options.still || random() < 0.25
  const affine = options.plain || random() < 0.6
  const groups = affine && options.groups && !still && random() < 0.7 ? T : 1
  const signed = (scale: number, offset = 0) =>
    Array.from({ length: groups * C }, () => Math.fround(offset + scale * (random() - 0.5)))
  const data = Array.from({ length: P * (still ? 1 : T) * C }, () =>
    Math.fround((random() + random() + random() - 0.9) * 1.5),
  )
  const scale = signed(0.5, 1)
  const shift = signed(0.4)
  const mean = signed(1)
  const invStd = signed(0.5, 1)
  // The data of a call stand behind those of the one before it, as [P][t][C].
  const at = (p: number, t: number, c: number) => {
    if (still) return p * C + c
    const { from, steps } = callAt(options.calls, t)
    return (from * P + p * steps + t - from) * C + c
  }
  const row = (t: number) => (groups === 1 ? 0 : t) * C
  const address = engine.putFloats(data)
  return {
    address,
    value: (p, t, c) =>
      affine ? data[at(p, t, c)]! * scale[row(t) + c]! + shift[row(t) + c]! : data[at(p, t, c)]!,
    normalised: (p, t, c) => (data[at(p, t, c)]! - mean[row(t) + c]!) * invStd[row(t) + c]!,
    words: [
      address,
      C * 4,
      still ? 0 : C * 4,
      affine ? engine.putFloats(scale) : 0,
      affine ? engine.putFloats(shift) : 0,
      engine.putFloats(mean),
      engine.putFloats(invStd),
      groups === 1 ? 0 : C * 4,
    ],
    xhat: random() < options.xhat ? engine.alloc(P * C * 4) : 0,
  }
}

/** The words of a term in a call of P pixels. */
function termWords(term: Term, first: NeuronWord, P: number, { from, steps }: Call): Words {
  const [data, rowBytes, stepBytes, scale, shift, mean, invStd, groupBytes] = term.words
  const moved = (address: number) => (address ? address + from * groupBytes : address)
  return {
    [first]: data + from * P * stepBytes,
    [first + 1]: stepBytes ? steps * rowBytes : rowBytes,
    [first + 2]: steps > 1 ? stepBytes : 0,
    [first + 3]: moved(scale),
    [first + 4]: moved(shift),
    [first + 5]: moved(mean),
    [first + 6]: moved(invStd),
    [first + 7]: term.xhat,
    [first + 8]: steps > 1 ? groupBytes : 0,
  }
}

/** Steps of one run of a kernel: a single run has all, and a loop over t outside has several. */
type Call = Pick<Calls, 'from' | 'steps'>

/** The call that makes step t. */
const callAt = (calls: readonly Call[], t: number): Call =>
  calls.find(({ from, steps }) => t < from + steps) as Call

/** The calls of a loop outside, of at most so many steps each. */
const callsOfLoop = (T: number, most: number): Call[] =>
  callsOf(T, most).flatMap(({ from, steps, repeats }) =>
    Array.from({ length: repeats }, (_, i) => ({ from: from + i * steps, steps })),
  )

interface NeuronCase {
  seed: number
  random: () => number
  /** Several where the loop over t is outside. */
  calls: readonly Call[]
  /** What the loops of the usual layer take. */
  plain: boolean
  /** Terms may have statistics for each step. */
  groups: boolean
  /** The same current at every step. */
  still: boolean
  P: number
  C: number
  T: number
  /**
   * Terms of a case with eligibility; otherwise they are drawn, and so is the wish for eligibility.
   */
  terms?: 'A' | 'still A' | 'A+B' | 'A+S' | 'A+B+S'
}

/**
 * Neurons of all kinds at random, then the usual layer in training: every number of steps that its
 * loops put together, several blocks; three terms, which it leaves to others; and steps outside.
 */
function neuronCases(): NeuronCase[] {
  const cases: NeuronCase[] = []
  for (let seed = 1; seed <= 60; seed++) {
    const random = testRandom(seed * 7919)
    const [P, C, T] = [
      1 + Math.floor(random() * 23),
      4 * (1 + Math.floor(random() * 13)),
      1 + Math.floor(random() * 17),
    ]
    cases.push({
      seed,
      random,
      calls: callsOfLoop(T, seed % 3 === 0 ? [1, 2, 3, 5, 8][seed % 5]! : T),
      plain: seed % 3 === 1,
      groups: seed % 3 !== 1,
      still: seed % 5 === 0,
      P,
      C,
      T,
    })
  }
  for (const terms of ['A', 'still A', 'A+B', 'A+S', 'A+B+S'] as const)
    for (let T = 1; T <= 13; T++) {
      const seed = 100 + cases.length
      const most = T > 9 ? [1, 4, 5, 8][T % 4]! : T
      const C = [4, 12, 16, 20, 52, 132][(T + cases.length) % 6]!
      const P = 2 * Math.ceil(2048 / most / C) + 1
      cases.push({
        seed,
        random: testRandom(seed * 7919),
        calls: callsOfLoop(T, most),
        plain: true,
        groups: terms !== 'still A' && T % 2 === 1,
        still: terms === 'still A',
        P,
        C,
        T,
        terms,
      })
    }
  return cases
}

/** Words of a record for one pixel and up to 8 steps, with buffers for what it writes. */
const onePixel = (engine: TestEngine, T: number, C: number): Words => ({
  [NeuronWord.Masks]: engine.alloc(C),
  [NeuronWord.PlaneBytes]: C,
  [NeuronWord.Counts]: engine.alloc(C),
  [NeuronWord.CountPartials]: engine.alloc(4),
  [NeuronWord.Pixels]: 1,
  [NeuronWord.C]: C,
  [NeuronWord.PixelsPerUnit]: 1,
  [NeuronWord.T]: T,
  [NeuronWord.TotalSteps]: T,
})

for (const variant of variants) {
  for (const name of [
    'lif-leak02-soft-detach',
    'lif-leak02-soft',
    'lif-leak02-hard',
    'lif-leak05-soft-detach',
    'lif-leak05-soft',
    'lif-leak05-hard',
  ]) {
    test(`${variant} neuron ${name} equals the official code, steps inside and outside, and through time`, () => {
      const engine = new TestEngine(variant)
      const { metadata, tensor } = readFixture(name)
      const { shape, values } = tensor('input')
      const [T, P, C] = shape as [number, number, number]
      const d: Dynamics = {
        lambda: Number(metadata.leak),
        kappa: 1,
        rest: 0,
        theta: Number(metadata.v_threshold),
        hard: metadata.v_reset !== 'null',
        detach: metadata.detach_reset === 'true',
        kind: Surrogate.Sigmoid,
        alpha: Number(metadata.alpha),
      }
      const rows = (from: Float32Array) =>
        Array.from(
          { length: P * T * C },
          (_, i) => from[((Math.floor(i / C) % T) * P + Math.floor(i / C / T)) * C + (i % C)]!,
        )
      const scratch = engine.alloc(neuronScratch(T, C))
      const [masks, counts, eligibility, partials, v, rho] = [
        P * C,
        P * C,
        P * C * 4,
        8,
        P * C * 4,
        P * C * 4,
      ].map((n) => engine.alloc(n)) as [number, number, number, number, number, number]
      const common: Words = {
        ...dynamicsWords(d),
        [NeuronWord.Masks]: masks,
        [NeuronWord.PlaneBytes]: P * C,
        [NeuronWord.Counts]: counts,
        [NeuronWord.Eligibility]: eligibility,
        [NeuronWord.CountPartials]: partials,
        [NeuronWord.Pixels]: P,
        [NeuronWord.C]: C,
        [NeuronWord.PixelsPerUnit]: 3,
        [NeuronWord.TotalSteps]: T,
      }
      const terms: Words = {
        [NeuronWord.A]: engine.putFloats(rows(values)),
        [NeuronWord.APixelBytes]: T * C * 4,
        [NeuronWord.AStepBytes]: C * 4,
      }
      const spikes = tensor('bptt.spikes').values
      const check = (mode: string) => {
        const rate = tensor('rate.mean').values
        const expected = tensor('rate.eligibility').values
        for (let i = 0; i < P * C; i++) {
          assert.is(engine.bytes(counts, P * C)[i], Math.round(rate[i]! * T), `${mode} count ${i}`)
          close(
            engine.floats(eligibility, P * C)[i]!,
            expected[i]!,
            1e-5,
            () => `${mode} eligibility ${i}`,
          )
        }
        const total = engine.ints(partials, 2)
        assert.is(
          total[0]! + total[1]!,
          spikes.reduce((a, b) => a + b, 0),
          `${mode} spikes of the units`,
        )
        engine.checkGuards(mode)
      }

      engine.run(engine.record(Op.Neuron, 2, { ...common, ...terms, [NeuronWord.T]: T }), scratch)
      check('inside')
      for (let t = 0; t < T; t++)
        for (let i = 0; i < P * C; i++)
          assert.is(
            (engine.bytes(masks, P * C)[i]! >> t) & 1,
            spikes[t * P * C + i],
            `spike t=${t} neuron ${i}`,
          )

      const input = engine.putFloats(values)
      const step = engine.record(Op.Neuron, 2, {
        ...common,
        [NeuronWord.APixelBytes]: C * 4,
        [NeuronWord.T]: 1,
        [NeuronWord.V]: v,
        [NeuronWord.Rho]: d.hard || !d.detach ? rho : 0,
      })
      for (let t = 0; t < T; t++) {
        engine.writeWords(step, { [NeuronWord.A]: input + t * P * C * 4 })
        engine.run(step, scratch, t)
        for (let i = 0; i < P * C; i++)
          assert.is(engine.bytes(masks, P * C)[i], spikes[t * P * C + i], `step t=${t} neuron ${i}`)
      }
      check('outside')
      const last = tensor('v.last').values
      for (let i = 0; i < P * C; i++)
        close(engine.floats(v, P * C)[i]!, last[i]!, 1e-5, () => `v ${i}`)

      const delta = engine.alloc(P * T * C * 4)
      const contribution = putContributions(
        engine,
        [
          {
            address: engine.putFloats(rows(tensor('bptt.grad_output').values)),
            stepBytes: C * 4,
            pixelBytes: T * C * 4,
          },
        ],
        P,
        1,
      )
      engine.run(
        engine.record(Op.NeuronBackwardTime, 2, {
          ...common,
          ...terms,
          [NeuronWord.T]: T,
          [NeuronWord.H]: P,
          [NeuronWord.W]: 1,
          [NeuronWord.Delta]: delta,
          [NeuronWord.Contributions]: contribution,
          [NeuronWord.ContributionCount]: 1,
          [NeuronWord.PixelsPerRun]: 3,
        }),
        scratch,
      )
      rows(tensor('bptt.grad_input').values).forEach((expected, i) => {
        close(engine.floats(delta, P * T * C)[i]!, expected, 1e-5, () => `through time ${i}`)
      })
      engine.checkGuards('through time')
    })
  }

  for (const [hard, theta] of [
    [true, 1],
    [false, 1],
    [false, 2 ** -7],
    [false, 10],
  ] as const)
    test(`${variant} neuron surrogates ${hard ? 'with hard' : 'with soft'} reset, θ = ${theta} are right to 1e-6 of their maximum`, () => {
      const engine = new TestEngine(variant)
      const random = testRandom(11)
      for (const kind of KINDS.keys()) {
        for (const alpha of [1, 2, 4, 25]) {
          const C = 4096
          const x = Array.from({ length: C }, (_, i) =>
            Math.fround(
              theta +
                (i < 3 ? [0, 1e30, -1e4][i]! : (((random() - 0.5) * 12) / alpha) * (i % 3 ? 1 : 8)),
            ),
          )
          const h = engine.alloc(C * 4)
          engine.run(
            engine.record(Op.Neuron, 1, {
              ...dynamicsWords({
                lambda: 0.2,
                kappa: 1,
                rest: 0,
                theta,
                hard,
                detach: true,
                kind,
                alpha,
              }),
              ...onePixel(engine, 1, C),
              [NeuronWord.A]: engine.putFloats(x),
              [NeuronWord.V]: engine.alloc(C * 4),
              [NeuronWord.SurrogateOut]: h,
            }),
            engine.alloc(neuronScratch(1, C)),
          )
          const maximum = surrogate(kind, alpha, 0)
          const values = engine.floats(h, C)
          for (let i = 0; i < C; i++) {
            // x − θ rounds as the kernel's does; the border of the rectangle is not a number to
            // compare at.
            const distance = Math.fround(x[i]! - theta)
            if (kind === Surrogate.Rectangle && Math.abs(Math.abs(distance) * 2 * alpha - 1) < 1e-6)
              continue
            const error = Math.abs(values[i]! - surrogate(kind, alpha, distance)) / maximum
            // Texts are made for what is wrong alone: they take longer than the rest.
            if (!(error <= 1e-6))
              assert.unreachable(`${KINDS[kind]} α=${alpha} x=${distance}: error ${error}`)
          }
          engine.checkGuards()
          engine.reset()
        }
      }
    })

  for (const [T, theta, hard] of [
    [1, 1, false],
    [4, 1, false],
    [7, 1, false],
    [4, 10, false],
    [4, 1, true],
  ] as const)
    test(`${variant} neuron: a current that is not a number shows in the eligibility, ${T} steps, θ = ${theta}, ${hard ? 'hard' : 'soft'} reset`, () => {
      for (const kind of KINDS.keys()) {
        const engine = new TestEngine(variant)
        const C = 8
        const currents = Array.from({ length: T * C }, (_, i) =>
          i % C === 5 && i < C ? Number.NaN : 0.3,
        )
        const eligibility = engine.alloc(C * 4)
        engine.run(
          engine.record(Op.Neuron, 1, {
            ...dynamicsWords({
              lambda: 0.2,
              kappa: 1,
              rest: 0,
              theta,
              hard,
              detach: true,
              kind,
              alpha: 2,
            }),
            ...onePixel(engine, T, C),
            [NeuronWord.A]: engine.putFloats(currents),
            [NeuronWord.Eligibility]: eligibility,
          }),
          engine.alloc(neuronScratch(T, C)),
        )
        engine.floats(eligibility, C).forEach((e, i) => {
          assert.is(Number.isNaN(e), i === 5, `${KINDS[kind]} neuron ${i}: ${e}`)
        })
        engine.checkGuards()
      }
    })

  for (const { seed, random, calls, plain, groups, still, P, C, T, terms } of neuronCases()) {
    if (!isFor(variant, seed)) continue
    const loop = calls.length > 1
    const way = [terms ?? (plain ? 'plain' : 'general'), ...(loop ? ['steps outside'] : [])].join(
      ', ',
    )
    test(`${variant} neuron P=${P} C=${C} T=${T} ${way} equals the reference (seed ${seed})`, () => {
      const engine = new TestEngine(variant)
      const d = randomDynamics(random)
      if (plain) Object.assign(d, { kappa: 1, rest: 0, hard: false, detach: true })
      const ownTrace = d.hard || !d.detach
      const learnable = random() < 0.25 ? Math.fround(random() * 2 - 1) : undefined
      if (learnable !== undefined) {
        const sigma = 1 / (1 + Math.exp(-learnable))
        d.lambda = 1 - sigma
        if (d.kappa !== 1) d.kappa = sigma
      }
      // Without a backward pass there is seldom a wish for x̂ either.
      const learn = terms !== undefined || random() < 0.65
      const wishes = { plain, groups, calls, still, xhat: learn ? 0.7 : 0.2 }
      const a = randomTerm(engine, random, P, T, C, wishes)
      const b = (terms ? terms.startsWith('A+B') : random() < 0.4)
        ? randomTerm(engine, random, P, T, C, wishes)
        : undefined
      const planes = Math.ceil(Math.max(...calls.map(({ steps }) => steps)) / 8)
      const spikes = (terms ? terms.endsWith('+S') : random() < 0.4 && !still && !(plain && b))
        ? Array.from({ length: T * P * C }, () => (random() < 0.3 ? 1 : 0))
        : undefined
      const spikeScale = Math.fround(0.3 + random())
      // Masks of each call, one behind the other.
      const planeOf = (t: number) => {
        const call = callAt(calls, t)
        return loop ? calls.indexOf(call) : t >> 3
      }
      const source = spikes ? engine.alloc(T * P * C, 0) : 0
      spikes?.forEach((s, i) => {
        const t = Math.floor(i / P / C)
        const bit = (t - callAt(calls, t).from) & 7
        engine.bytes(source, T * P * C)[planeOf(t) * P * C + (i % (P * C))]! |= s << bit
      })
      const perUnit = 1 + Math.floor(random() * P)
      const units = Math.ceil(P / perUnit)
      const masks = engine.alloc(planes * P * C)
      const counts = engine.alloc(P * C)
      const partials = engine.alloc(units * 4)
      const [eligibility, surrogateOut, v, rho] = [
        learn ? 1 : 0,
        random() < 0.7 ? Math.max(...calls.map(({ steps }) => steps)) : 0,
        loop ? 1 : 0,
        loop && ownTrace && learn ? 1 : 0,
      ].map((rows) => (rows ? engine.alloc(rows * P * C * 4) : 0)) as [
        number,
        number,
        number,
        number,
      ]
      const words: Words = {
        ...dynamicsWords(d),
        // A learnable leak comes from its parameter, and not from the word.
        ...(learnable === undefined
          ? none
          : { [NeuronWord.Lambda]: f32(9), [NeuronWord.Learnable]: engine.putFloats([learnable]) }),
        [NeuronWord.Masks]: masks,
        [NeuronWord.PlaneBytes]: P * C,
        [NeuronWord.Counts]: counts,
        [NeuronWord.Eligibility]: eligibility,
        [NeuronWord.CountPartials]: partials,
        [NeuronWord.Pixels]: P,
        [NeuronWord.C]: C,
        [NeuronWord.PixelsPerUnit]: perUnit,
        [NeuronWord.T]: T,
        [NeuronWord.TotalSteps]: T,
        [NeuronWord.S]: source,
        [NeuronWord.SPlaneBytes]: P * C,
        [NeuronWord.SScale]: f32(spikeScale),
        [NeuronWord.V]: v,
        [NeuronWord.Rho]: rho,
        [NeuronWord.SurrogateOut]: surrogateOut,
      }
      const termsOf = (call: Call): Words => ({
        ...termWords(a, NeuronWord.A, P, call),
        ...(b ? termWords(b, NeuronWord.B, P, call) : none),
      })
      const record = engine.record(Op.Neuron, units, words)
      const grouped = [a, b].some((term) => term && term.words[7] !== 0)
      const scratch = engine.alloc(neuronScratch(T, C, grouped))

      const current = (p: number, c: number) =>
        Array.from(
          { length: T },
          (_, t) =>
            a.value(p, t, c) +
            (b?.value(p, t, c) ?? 0) +
            (spikes ? spikes[(t * P + p) * C + c]! * spikeScale : 0),
        )
      const reference = Array.from({ length: P * C }, (_, i) =>
        simulate(d, current(Math.floor(i / C), i % C)),
      )
      const sure = reference.map(({ margin }) => margin > 2e-5)
      assert.ok(
        sure.filter((x) => !x).length <= 2 + 0.02 * P * C,
        'nearly all neurons stay clear of the threshold',
      )

      for (const [k, call] of calls.entries()) {
        const { from, steps } = call
        engine.writeWords(record, {
          ...termsOf(call),
          [NeuronWord.T]: steps,
          ...(source && loop ? { [NeuronWord.S]: source + k * P * C } : none),
        })
        engine.run(record, scratch, from)
        const bits = engine.bytes(masks, planes * P * C)
        const derivatives = surrogateOut ? engine.floats(surrogateOut, P * steps * C) : undefined
        reference.forEach((r, i) => {
          if (!sure[i]) return
          for (let t = 0; t < 8 * Math.ceil(steps / 8); t++) {
            const bit = (bits[(t >> 3) * P * C + i]! >> (t & 7)) & 1
            const expected = t < steps ? r.s[from + t] : 0
            if (bit !== expected) assert.is(bit, expected, `spike t=${from + t} neuron ${i}`)
          }
          if (!derivatives) return
          for (let t = 0; t < steps; t++)
            close(
              derivatives[(Math.floor(i / C) * steps + t) * C + (i % C)]!,
              r.h[from + t]! * d.kappa,
              3e-5,
              () => `h' t=${from + t} neuron ${i}`,
            )
        })
      }
      const [vs, rhos, eligibilities] = [v, rho, eligibility].map((at) =>
        engine.floats(at, P * C),
      ) as [Float32Array, Float32Array, Float32Array]
      const counted = engine.bytes(counts, P * C)
      reference.forEach((r, i) => {
        if (!sure[i]) return
        if (v) close(vs[i]!, r.v, 1e-5, () => `v ${i}`)
        if (rho) close(rhos[i]!, r.rho, 1e-4, () => `ρ ${i}`)
        const spiked = r.s.reduce((x, y) => x + y, 0)
        if (counted[i] !== spiked) assert.is(counted[i], spiked, `count ${i}`)
        if (learn) close(eligibilities[i]!, r.eligibility, 1e-4, () => `eligibility ${i}`)
      })
      for (const term of [a, b]) {
        if (!term?.xhat) continue
        const normalised = engine.floats(term.xhat, P * C)
        for (let i = 0; i < P * C; i++) {
          let mean = 0
          for (let t = 0; t < T; t++) mean += term.normalised(Math.floor(i / C), t, i % C) / T
          close(normalised[i]!, mean, 1e-5, () => `x̂ ${i}`)
        }
      }
      for (let unit = 0; unit < units; unit++) {
        const part = engine.bytes(counts, P * C).slice(unit * perUnit * C, (unit + 1) * perUnit * C)
        assert.is(
          engine.ints(partials, units)[unit],
          part.reduce((x, y) => x + y, 0),
          `spikes of unit ${unit}`,
        )
      }
      engine.checkGuards()

      if (loop) return
      const scaleG = random() < 0.5 ? 1 : 0.5
      const gradient = Array.from({ length: P * T * C }, () => Math.fround(random() - 0.5))
      const delta = engine.alloc(P * T * C * 4)
      const learned = engine.alloc(units * 4)
      const contributions = putContributions(
        engine,
        [
          {
            address: engine.putFloats(gradient),
            stepBytes: C * 4,
            pixelBytes: T * C * 4,
            scale: scaleG,
          },
        ],
        P,
        1,
      )
      engine.run(
        engine.record(Op.NeuronBackwardTime, units, {
          ...words,
          ...termsOf(calls[0]!),
          [NeuronWord.Delta]: delta,
          [NeuronWord.H]: P,
          [NeuronWord.W]: 1,
          [NeuronWord.Contributions]: contributions,
          [NeuronWord.ContributionCount]: 1,
          [NeuronWord.PixelsPerRun]: 3,
          [NeuronWord.LearnablePartials]: learned,
        }),
        scratch,
      )
      const gains = new Array<number>(units).fill(0)
      const surePixels = new Array<boolean>(units).fill(true)
      const deltas = engine.floats(delta, P * T * C)
      for (let i = 0; i < P * C; i++) {
        const p = Math.floor(i / C)
        const unit = Math.floor(p / perUnit)
        const arriving = Array.from(
          { length: T },
          (_, t) => gradient[(p * T + t) * C + (i % C)]! * scaleG,
        )
        const r = simulate(d, current(p, i % C), arriving)
        gains[unit]! += r.gain
        surePixels[unit] &&= sure[i]!
        if (sure[i])
          r.delta.forEach((x, t) => {
            const at = (p * T + t) * C + (i % C)
            close(deltas[at]!, x, 1e-4, () => `δI t=${t} neuron ${i}`)
          })
      }
      if (learnable !== undefined)
        gains.forEach((gain, unit) => {
          const expected = gain * d.lambda * (1 - d.lambda)
          if (surePixels[unit])
            close(
              engine.floats(learned, units)[unit]!,
              expected,
              2e-4,
              () => `∂L/∂w of unit ${unit}`,
            )
        })
      engine.checkGuards('through time')
    })
  }

  for (const way of ['plain', 'general', 'learn']) {
    test(`${variant} neuron ${way} fires at the threshold itself`, () => {
      const engine = new TestEngine(variant)
      const masks = engine.alloc(4)
      const affine =
        way !== 'general'
          ? {
              [NeuronWord.AScale]: engine.putFloats([1, 1, 1, 1]),
              [NeuronWord.AShift]: engine.putFloats([0, 0, 0, 0]),
            }
          : none
      engine.run(
        engine.record(Op.Neuron, 1, {
          ...dynamicsWords({
            lambda: 0.2,
            kappa: 1,
            rest: 0,
            theta: 1,
            hard: false,
            detach: true,
            kind: Surrogate.Sigmoid,
            alpha: 4,
          }),
          ...affine,
          [NeuronWord.Masks]: masks,
          [NeuronWord.Eligibility]: way === 'learn' ? engine.alloc(16) : 0,
          [NeuronWord.Counts]: engine.alloc(4),
          [NeuronWord.CountPartials]: engine.alloc(4),
          [NeuronWord.Pixels]: 1,
          [NeuronWord.C]: 4,
          [NeuronWord.PixelsPerUnit]: 1,
          [NeuronWord.T]: 1,
          [NeuronWord.TotalSteps]: 1,
          [NeuronWord.A]: engine.putFloats([1, Math.fround(1 - 2 ** -24), 2, -1]),
        }),
        engine.alloc(neuronScratch(1, 4)),
      )
      assert.equal(Array.from(engine.bytes(masks, 4)), [1, 0, 1, 0])
      engine.checkGuards()
    })
  }

  for (let seed = 1; seed <= 110; seed++) {
    if (!isFor(variant, seed)) continue
    const random = testRandom(seed * 104729)
    // The usual consumers: windows side by side, or none.
    const tiled = seed > 40
    const pick = (from: number, to: number) => from + Math.floor(random() * (to - from + 1))
    const [B, H, W, C] = [pick(1, 3), pick(1, 7), pick(1, 7), 4 * pick(1, 13)]
    const T = random() < 0.5 ? 1 : pick(2, 5)
    test(`${variant} neuronBackwardRate B=${B} H=${H} W=${W} C=${C} T=${T} gathers every contribution (seed ${seed})`, () => {
      const engine = new TestEngine(variant)
      const P = B * H * W
      const expected = new Float64Array(P * T * C)
      const list = Array.from({ length: pick(tiled ? 1 : 0, 3) }, () => {
        const pooled = random() < (tiled ? 0.4 : 0.6)
        const [kernelH, kernelW] = pooled ? [pick(1, 3), pick(1, 3)] : [1, 1]
        const [strideH, strideW] = pooled && !tiled ? [pick(1, 3), pick(1, 3)] : [kernelH, kernelW]
        const [padH, padW] =
          pooled && !tiled
            ? [pick(0, Math.floor(kernelH / 2)), pick(0, Math.floor(kernelW / 2))]
            : [0, 0]
        const outH = Math.max(1, Math.floor((H + 2 * padH - kernelH) / strideH) + 1)
        const outW = Math.max(1, Math.floor((W + 2 * padW - kernelW) / strideW) + 1)
        const still = random() < (tiled ? 0.1 : 0.3)
        const steps = still ? 1 : T
        const scale = Math.fround(random() + 0.2)
        const gradient = Array.from({ length: B * outH * outW * steps * C }, () =>
          Math.fround(random() - 0.5),
        )
        for (let image = 0; image < B; image++)
          for (let oy = 0; oy < outH; oy++)
            for (let ox = 0; ox < outW; ox++)
              for (let k = 0; k < kernelH * kernelW; k++) {
                const y = oy * strideH - padH + Math.floor(k / kernelW)
                const x = ox * strideW - padW + (k % kernelW)
                if (y < 0 || y >= H || x < 0 || x >= W) continue
                const window = (image * outH + oy) * outW + ox
                for (let t = 0; t < T; t++)
                  for (let c = 0; c < C; c++)
                    expected[(((image * H + y) * W + x) * T + t) * C + c]! +=
                      scale * gradient[(window * steps + (still ? 0 : t)) * C + c]!
              }
        return {
          ...{
            address: engine.putFloats(gradient),
            outH,
            outW,
            kernelH,
            kernelW,
            strideH,
            strideW,
            padH,
            padW,
            scale,
          },
          ...{ stepBytes: still ? 0 : C * 4, pixelBytes: steps * C * 4 },
        }
      })
      const factor =
        random() < 0.6 ? Array.from({ length: P * C }, () => Math.fround(random())) : undefined
      const [one] = list
      const inPlace =
        one?.kernelH === 1 &&
        one.kernelW === 1 &&
        one.strideH === 1 &&
        one.strideW === 1 &&
        one.stepBytes > 0 &&
        random() < 0.5
      const out = inPlace ? one.address : engine.alloc(P * T * C * 4)
      const perUnit = pick(1, P)
      const op = factor ? Op.NeuronBackwardRate : Op.GradientSum
      engine.run(
        engine.record(op, Math.ceil(P / perUnit), {
          [NeuronBackWord.Out]: out,
          [NeuronBackWord.Factor]: factor ? engine.putFloats(factor) : 0,
          [NeuronBackWord.Contributions]: putContributions(engine, list, H, W),
          [NeuronBackWord.ContributionCount]: list.length,
          [NeuronBackWord.PixelsPerRun]: pick(1, P),
          [NeuronBackWord.Pixels]: P,
          [NeuronBackWord.H]: H,
          [NeuronBackWord.W]: W,
          [NeuronBackWord.C]: C,
          [NeuronBackWord.PixelsPerUnit]: perUnit,
          [NeuronBackWord.T]: T,
        }),
        engine.alloc(16),
      )
      const sums = engine.floats(out, P * T * C)
      expected.forEach((sum, i) => {
        const value = sum * (factor ? factor[Math.floor(i / C / T) * C + (i % C)]! : 1)
        close(sums[i]!, value, 1e-6, () => `element ${i}`)
      })
      engine.checkGuards()
    })
  }
}

interface Contribution {
  address: number
  stepBytes: number
  pixelBytes: number
  scale?: number
  outH?: number
  outW?: number
  kernelH?: number
  kernelW?: number
  strideH?: number
  strideW?: number
  padH?: number
  padW?: number
}

/**
 * Table of contributions to a tensor of height H and width W; not pooled unless they say otherwise.
 */
function putContributions(engine: TestEngine, list: Contribution[], H: number, W: number): number {
  const table = engine.alloc(Math.max(1, list.length) * ContributionWord.Bytes, 0)
  list.forEach((c, i) => {
    engine.writeWords(table + i * ContributionWord.Bytes, {
      [ContributionWord.Address]: c.address,
      [ContributionWord.OutH]: c.outH ?? H,
      [ContributionWord.OutW]: c.outW ?? W,
      [ContributionWord.KernelH]: c.kernelH ?? 1,
      [ContributionWord.KernelW]: c.kernelW ?? 1,
      [ContributionWord.StrideH]: c.strideH ?? 1,
      [ContributionWord.StrideW]: c.strideW ?? 1,
      [ContributionWord.PadH]: c.padH ?? 0,
      [ContributionWord.PadW]: c.padW ?? 0,
      [ContributionWord.Scale]: f32(c.scale ?? 1),
      [ContributionWord.StepBytes]: c.stepBytes,
      [ContributionWord.PixelBytes]: c.pixelBytes,
    })
  })
  return table
}

test.run()
