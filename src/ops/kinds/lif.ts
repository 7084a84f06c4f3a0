/** Leaky integrate-and-fire neurons, forward and back. */

import { checkInteger, describe, fail } from '../../base/errors.js'
import { emitNeuronGradient } from '../../compile/emit/gradients.js'
import { emitNeurons, type Neurons } from '../../compile/emit/neuron-record.js'
import { neuronBackwardOnline, neuronBackwardRate } from '../../kernels/records/gradient.js'
import { type Buffer, ref } from '../../kernels/records/words.js'
import * as stabilized from '../../nn/layers/stabilized-lif.js'
import type { OpBuilder } from '../builder.js'
import { arrival, arriving, contributions, type GradientTerm } from '../convolution.js'
import * as neurons from '../neurons.js'
import { asked, gives, LAST_STEP, op, shows, stepSetting, takes, updates } from '../op.js'
import * as is from '../options.js'
import { extentOf, imageOf, imagesOf, MOST_STEPS, still, withSteps } from '../shapes.js'
import { asFloat, countsOf, floats, numbers, spikes } from '../tensor.js'

/**
 * Leaky integrate-and-fire neurons over all time steps, as `lif()`, `integrateAndFire()` (τ
 * Infinity) and `plif()` (`learnable`) have them in a network:
 *
 *     u[t] = λ·v[t − 1] + (1 − λ)·v0 + κ·I[t]      λ = 1 − 1/τ, κ = 1 or 1/τ (decayInput)
 *     s[t] = 1 where u[t] ≥ θ, else 0
 *     v[t] = u[t] − θ·s[t] (soft reset), or v0 where s[t] = 1 (hard)
 *     I[t] = scale·input[t] + shift  (+ the second current)  (+ factor · spikes of the shortcut)
 *     eligibility = κ/T · Σ over t of h'(u[t] − θ)·ρ[t]
 *                   ρ[1] = 1, ρ[t + 1] = 1 + λ·ρ[t]·∂v[t]/∂u[t]
 *
 * v0 is `vReset`, or 0 where that is null. h' is the surrogate. The eligibility is that of
 * rate-based backpropagation (Yu et al., NeurIPS 2024, arXiv 2410.11488).
 *
 * At step 0 neurons start from v0, behind it they go on from potential, and from the plan's
 * derivatives and sums.
 *
 * Runs can go on: with the output `potential` a run can be a part of the steps, as in a
 * stream. The setting `step` says which one it begins with. At 0, the default, neurons start from
 * v0. Behind that they go on from `potential`; counts, eligibilities and x̂ are added to what the
 * plan holds. A setting stays till another one is given, so give it with each run.
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * // 8 steps of 3 neurons. Their currents are the same at each step.
 * const neurons = ops.lif.plan({ input: [1, 3], timeSteps: 8, tau: 2 })
 * const { spikes, rates, eligibilities } = neurons.run(Float32Array.of(0.3, 0.7, 1.2))
 * for (let n = 0; n < 3; n++)
 *   console.log(
 *     Array.from({ length: 8 }, (_, t) => spikes[3 * t + n]).join(' '),
 *     `rate ${rates[n]}, eligibility ${eligibilities[n].toFixed(3)}`,
 *   )
 * ```
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const current = Float32Array.from({ length: 12 }, (_, i) => Math.sin(i) + 0.5)
 * const whole = ops.lif({ input: [6, 2], outputs: ['spikes'] }, current)
 *
 * const two = ops.lif.plan({
 *   input: [2, 2],
 *   outputs: ['spikes', 'counts', 'potential'],
 *   totalSteps: 6,
 * })
 * const parts = []
 * for (let step = 0; step < 6; step += 2)
 *   parts.push(...two.run(current.slice(2 * step, 2 * step + 4), undefined, { step }).spikes)
 * console.log(parts.join() === whole.join() ? 'the same spikes' : 'other spikes')
 * ```
 */
export const lif = op('lif', {
  options: {
    ...neurons.charge,
    /**
     * Steps of all runs together, where runs go on from each other: means and eligibilities are
     * over them. Needs the output `potential`. Default: the steps of one run.
     */
    totalSteps: is.given<number>(),
    /** Names of what to compute and return. Default ['spikes', 'rates', 'eligibilities']. */
    outputs: is.outputs(
      'spikes',
      'counts',
      'rates',
      'eligibilities',
      'surrogates',
      'xhat',
      'residualXhat',
      'potential',
    ),
  },
  returns: ['spikes', 'rates', 'eligibilities'],
  derive(of, o) {
    const reads = neurons.readsOf(o, of)
    const { T } = reads.extent
    const { totalSteps = T } = of
    checkInteger(`${o.op}.totalSteps`, totalSteps, T, MOST_STEPS)
    if (!o.asked.has('potential') && totalSteps !== T)
      fail(`${o.op}.totalSteps ${totalSteps} needs the output 'potential', from which runs go on`)
    return { reads, totalSteps, layer: neurons.neuronOf(of) }
  },
  tensors({ reads }, o) {
    const { extent } = reads
    return {
      ...neurons.readTensors(o, reads),
      /** 0 or 1. */
      spikes: gives(spikes(extent)),
      /** Spikes of each neuron over all steps, without T. */
      counts: neurons.isCounted(o) && gives(countsOf('spikes')),
      /** Spikes per step, without T. */
      rates: asked(floats(still(extent))),
      /** The factor of rate-based backpropagation, without T. */
      eligibilities: asked(floats(still(extent))),
      /** κ h'(u − θ): the factor of the online methods. */
      surrogates: asked(floats(extent)),
      /** Mean over time of the normalised current (x − mean)·invStd. */
      xhat: asked(floats(still(extent))),
      /** The same of the second current. */
      residualXhat: asked(floats(still(extent))),
      /** Behind the last step, without T; with it a run can go on from the run before. */
      potential: o.asked.has('potential') && updates<Float32Array>(),
      /** Potentials, and their derivatives where they differ by neuron. */
      state: o.asked.has('potential') && shows<Float32Array>(),
    }
  },
  sets: ({ reads, totalSteps }, { asked }) =>
    asked.has('potential') && stepSetting(totalSteps - reads.extent.T),
  emit(o, _, { reads, totalSteps: timeSteps, layer }) {
    const currents = neurons.currentsOf(reads, o.made)
    const job = neurons.jobOf(o, layer, reads.extent, currents, { timeSteps })
    neurons.emitForward(o, job, 'spikes')
  },
})

const ofTime = ['timeSteps', 'affine', 'residual', 'shortcut', 'learnable'] as const

const backOptions = {
  ...neurons.charge,
  /**
   * 'rate': rate-based backpropagation, by the eligibilities. 'time': through time, from the
   * currents. 'online': at each step alone, by the surrogates.
   */
  mode: is.chosen(['rate', 'time', 'online']),
  /**
   * The gradients that arrive from those who read the spikes, which are added up. Default: one, of
   * the neurons' own shape. `still` is of mode 'time'.
   */
  deltas: is.given<readonly GradientTerm[]>(),
}

/** What arrives, and in mode 'time' what neurons read. */
function arrivals(of: is.Checked<typeof backOptions>, o: OpBuilder) {
  const { op } = o
  const { mode, deltas = [{}] } = of
  const isTime = mode === 'time'
  if (!isTime)
    for (const name of ofTime)
      if (of[name] !== undefined && of[name] !== false)
        fail(
          `${op}.${name} is an option of mode 'time', which reads the currents; leave it out ` +
            `with '${mode}'`,
        )
  const reads = isTime ? neurons.readsOf(o, of) : undefined
  const extent =
    reads?.extent ?? extentOf(`${op}.input`, of.input, mode === 'rate' ? 'never' : 'maybe')
  if (!Array.isArray(deltas) || deltas.length === 0)
    fail(`${op}.deltas must be a list of at least one, got ${describe(deltas)}`)
  const all = Array.from(deltas, (given, i) => {
    const what = `${op}.deltas[${i}]`
    const arriving = arrival(what, extent, given)
    if (!isTime && given.still) fail(`${what}.still is of mode 'time'; leave it out with '${mode}'`)
    return arriving
  })
  return { extent, all, reads, layer: neurons.neuronOf(of) }
}

/**
 * The gradient of the currents from that of the spikes. With ∂L/∂s = Σ over `deltas` of scale ·
 * (each pooled gradient, handed back to the pixels of its windows):
 *
 *     'rate'    ∂L/∂I = ∂L/∂r · eligibility             (time means; Yu et al., arXiv 2410.11488)
 *     'online'  ∂L/∂I[t] = ∂L/∂s[t] · κ h'(u[t] − θ)    (OTTT, SLTT)
 *     'time'    ∂L/∂u[t] = ∂L/∂s[t] · h'(u[t] − θ) + λ · ∂L/∂u[t + 1] · ∂v[t]/∂u[t]
 *               ∂L/∂I[t] = κ · ∂L/∂u[t]                 (BPTT; u is computed again)
 *
 * With `learnable` also ∂L/∂w of 1/τ = σ(w). The gradient is behind scale and shift: of the sum of
 * all currents. Through time it has T also where the current has none: sum it over time.
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const input = [1, 4, 2, 2, 2]
 * const current = Float32Array.from({ length: 32 }, (_, i) => 1 + Math.sin(i))
 * const { eligibilities } = ops.lif({ input }, current)
 *
 * // The reader saw means over windows of 2×2.
 * const deltas = [{ kernelSize: 2 }]
 * const ofMeans = ops.lifBackward.plan({ mode: 'rate', input: [1, 2, 2, 2], deltas })
 * console.log(ofMeans.run(Float32Array.of(1, -1), eligibilities))
 *
 * const throughTime = ops.lifBackward.plan({ mode: 'time', input, deltas })
 * console.log(throughTime.run(new Float32Array(8).fill(1), current).length)
 * ```
 */
export const lifBackward = op('lifBackward', {
  options: backOptions,
  returns: 'inputGradient',
  when: ['learnable', true, ['inputGradient', 'wGradient']],
  derive: arrivals,
  tensors: ({ extent, all, reads, mode, learnable }, o) =>
    Object.assign(arriving(all, all.length > 1), {
      /** For `ops.lif`, in mode 'rate'. */
      eligibilities: mode === 'rate' && takes(floats(extent)),
      /** For `ops.lif`, in mode 'online'. */
      surrogates: mode === 'online' && takes(floats(extent)),
      ...(reads && neurons.readTensors(o, reads)),
      /** The gradient of the current, of the shape of the neurons. */
      inputGradient: gives(floats(extent)),
      /** The gradient of w, with `learnable`. */
      wGradient: learnable && gives(numbers([1])),
    }),
  emit(o, at, { extent, all, reads, layer, mode }) {
    const { b, made } = o
    const gradient = contributions(all, all.length > 1, made)
    if (reads) {
      const job = neurons.jobOf(o, layer, extent, neurons.currentsOf(reads, made))
      return neurons.emitBackward(o, job, gradient)
    }
    const kind = mode === 'rate' ? neuronBackwardRate : neuronBackwardOnline
    const factor = (at.eligibilities ?? at.surrogates) as Buffer
    const to = { ...imagesOf(extent), gradient }
    emitNeuronGradient({ b, images: extent.B }, kind, to, factor, extent.T, at.inputGradient)
  },
})

/**
 * One training step of `stabilizedLif` (Zhu et al., ICLR 2024), over all samples and neurons:
 *
 *     u = v − (v − v0)/τ + input, at step 0 from v = v0
 *     θ = mean u + ratio · deviation u;  ratio = (vThreshold − mean u) / deviation u of step 0
 *     spikes = 1 where u ≥ θ;  v = u − θ·spikes, or with a number vReset v = v0 where there is one
 *     surrogates = κ h'(u − θ);  runningThreshold += momentum/T · (θ − runningThreshold)
 *
 * Step 0 begins anew.
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const neurons = ops.stabilizedLif.plan({ input: [1, 4], timeSteps: 2 })
 * const [v, stability, running] = [new Float32Array(4), new Float32Array(2), Float32Array.of(1)]
 * for (let step = 0; step < 2; step++) {
 *   const current = Float32Array.of(0, 0.5, 1, 1.5)
 *   const { spikes } = neurons.run(current, v, stability, running, { step })
 *   console.log(spikes.join(' '), `threshold ${stability[1].toFixed(3)}`)
 * }
 * ```
 */
export const stabilizedLif = op('stabilizedLif', {
  options: {
    /** The current of a step, [B, C] or [B, C, H, W]. */
    input: is.untimed,
    /** T of all steps together: a step moves the running threshold by momentum/T. Default 1. */
    timeSteps: is.integerIf(1, MOST_STEPS, 1),
    ...is.ofLayer<stabilized.StabilizedLifOptions>(stabilized.stabilizedOptions),
  },
  tensors: ({ input }) => ({
    /** The current. */
    input: takes(floats(input)),
    /** 0 or 1, [1, …]. */
    spikes: gives(spikes(withSteps(input, 1))),
    /** κ h'(u − θ). */
    surrogates: gives(floats(input)),
    /** v, of the input's shape. */
    potential: updates(floats(input)),
    /** Ratio and θ, [2]. */
    stability: updates(numbers([2])),
    /** [1] */
    runningThreshold: updates(numbers([1])),
  }),
  sets: () => stepSetting(LAST_STEP),
  emit({ b, op, made }, at, { input, timeSteps, ...options }) {
    const { spikes, surrogates, potential, stability, runningThreshold } = at
    const layer = stabilized.stabilizedLif(options)
    const scope = neurons.scopeOf(b, input, timeSteps)
    const job: Neurons = {
      name: op,
      shape: imageOf(input),
      model: stabilized.stabilizedModel(layer),
      inputs: [{ tensor: asFloat(made.input, input) }],
      parameters: new Map([['vThreshold', ref(stability, 4)]]),
    }
    const share = layer.momentum / timeSteps
    const parts = { layer, runningThreshold, stability, share }
    stabilized.emitStabilized(scope, job, potential, parts)
    const results = { masks: spikes, surrogateOut: surrogates }
    emitNeurons(scope, job, results, () => potential)
  },
})
