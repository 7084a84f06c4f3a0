/** Neurons of a NIR graph: equations in continuous time become layers that run in steps. */

import { fail, quote } from '../../base/errors.js'
import type { Fields } from '../../files/nir/graph.js'
import { type NirReset, stepsOf } from '../../files/nir/options.js'
import { type Shape, sizeOf } from '../../network/value.js'
import * as layers from '../../nn/layers/index.js'
import {
  expectEach,
  fieldsOf,
  float32,
  type Shared,
  shared,
  type Values,
  valuesOf,
  type Weights,
} from './builder.js'
import { isVector, type Mapping, matrixOf, type Place, type Step } from './layers.js'

export const neurons = {
  LIF: (place) => leaking(place, false, true),
  IF: (place) =>
    spiking(place, (more) => layers.integrateAndFire({ ...more, ...perStep(place) }), false),
  CubaLIF: (place) => leaking(place, true, true),
  LI: (place) => leaking(place, false, false),
  CubaLI: (place) => leaking(place, true, false),
  I: (place) => [{ layer: () => layers.integrator(perStep(place)) }],
  Threshold: (place) => {
    const vThreshold = shared(thresholdsOf(place, 'threshold'), place.x.shape)
    const fires = firesOf(place)
    // Neurons that forget all of a step: what is left is lost beside any other number.
    const tau = 1 + Number.EPSILON
    return [{ layer: () => layers.lif({ tau, vThreshold, vReset: 0, ...fires }) }]
  },
} satisfies Readonly<Record<string, Mapping>>

/** Neurons with a time constant; `cuba`: with a synaptic current that has one, too. */
function leaking(place: Place, cuba: boolean, fires: boolean): readonly Step[] {
  const { shape } = place.x
  const mem = timesOf(place, cuba ? 'tau_mem' : 'tau')
  const syn = cuba ? timesOf(place, 'tau_syn') : undefined
  const input = inputOf(place, mem, syn)
  const own = { ...input, tau: shared(mem, shape), ...(syn && { tauSyn: shared(syn, shape) }) }
  if (!fires) {
    const options = { ...own, ...restOf(place) }
    return [{ layer: () => layers.leakyIntegrator(options) }]
  }
  const make = syn ? layers.cubaLif : layers.lif
  return spiking(place, (more) => make({ ...more, ...own }), true)
}

function spiking(
  place: Place,
  make: (more: layers.CellOptions) => ReturnType<typeof layers.lif>,
  leaks: boolean,
): readonly Step[] {
  const { shape } = place.x
  const vThreshold = thresholdsOf(place, 'v_threshold')
  const vReset = resetOf(place, vThreshold)
  const more: layers.CellOptions = {
    vThreshold: shared(vThreshold, shape),
    ...(vReset === null ? {} : { vReset: shared(vReset, shape) }),
    ...(leaks ? restOf(place, vReset) : {}),
    ...firesOf(place),
  }
  const weights = weightBack(place)
  const layer = (): layers.Layer => {
    const cell = make(more)
    if (weights === undefined) return cell
    const allToAll = weights['recurrent.V'] === undefined
    return layers.recurrent(cell, allToAll ? { bias: 'recurrent.bias' in weights } : { allToAll })
  }
  return [{ layer, weights }]
}

/** A time constant in steps. */
function timesOf({ fields, x, how }: Place, field: string): Values {
  const seconds = valuesOf(fields, field, x.shape)
  expectEach(fields, field, seconds, 'be > 0 seconds', (value) => value > 0)
  const steps = seconds.map((value) => stepsOf(value, how))
  expectEach(
    fields,
    field,
    seconds,
    `be at least dt = ${how.dt} with Euler (choose a smaller dt, or discretisation: 'exact')`,
    (_, i) => steps[i] >= 1 && Number.isFinite(steps[i]),
  )
  // At 1 nothing of the step before is left; layers want more than 1.
  return steps.map((value) => Math.max(value, 1 + Number.EPSILON))
}

const isOne = (value: number): boolean => Math.fround(value) === 1

/** What a step makes of the input: R/τ of it, with a synaptic current w_in/τ_syn of that. */
function inputOf(
  { fields, x }: Place,
  tau: Values,
  tauSyn?: Values,
): Pick<layers.CellOptions, 'decayInput' | 'inputScale'> {
  const r = valuesOf(fields, 'r', x.shape)
  // Files of early versions have no w_in.
  const weight = tauSyn && fields.has('w_in') ? valuesOf(fields, 'w_in', x.shape) : r.map(() => 1)
  const charge = r.map((value, i) => value / tau[i])
  const current = weight.map((value, i) => (tauSyn ? value / tauSyn[i] : 1))
  if (charge.every(isOne) && current.every(isOne)) return {}
  if (r.every(isOne) && weight.every(isOne)) return { decayInput: true }
  return scaled(
    fields,
    charge.map((value, i) => value * current[i]),
    x.shape,
  )
}

/** What a step adds to the potential of neurons without a time constant, for an input of 1. */
function perStep({ fields, x, how }: Place): Pick<layers.CellOptions, 'inputScale'> {
  const r = valuesOf(fields, 'r', x.shape)
  const scale = how.integration === 'dt' ? r.map((value) => value * how.dt) : r
  return scale.every(isOne) ? {} : scaled(fields, scale, x.shape)
}

function scaled(fields: Fields, values: Values, shape: Shape): { inputScale: Shared } {
  const rounded = values.map(Math.fround)
  expectEach(fields, 'r', rounded, 'give a float32 number', Number.isFinite)
  return { inputScale: shared(rounded, shape) }
}

/** What the leak draws to, where it is not what a layer draws to anyway. */
function restOf({ fields, x }: Place, vReset: Values | null = null): { vRest?: Shared } {
  const rest = fields.has('v_leak') ? valuesOf(fields, 'v_leak', x.shape) : undefined
  if (rest === undefined || rest.every((value, i) => value === (vReset?.[i] ?? 0))) return {}
  return { vRest: shared(rest, x.shape) }
}

function thresholdsOf({ fields, x }: Place, field: string): Values {
  const values = valuesOf(fields, field, x.shape)
  expectEach(
    fields,
    field,
    values,
    'be a float32 number > 0 (move v_leak and the threshold up together)',
    (value) => Math.fround(value) > 0 && Number.isFinite(Math.fround(value)),
  )
  return values
}

/** What becomes of the potential of a neuron that spikes; null: the threshold is subtracted. */
function resetOf({ fields, x, how, options }: Place, vThreshold: Values): Values | null {
  const stored = fields.has('v_reset') ? valuesOf(fields, 'v_reset', x.shape) : undefined
  const noted = fields.note('reset')
  const isKnown = (text: string | undefined): text is NirReset =>
    text === 'subtract' || text === 'zero' || text === 'stored'
  const usual = stored?.some((value) => value !== 0) ? 'stored' : 'subtract'
  const reset = options.reset ?? (isKnown(noted) ? noted : undefined) ?? how.reset ?? usual
  if (reset === 'subtract') return null
  const values = reset === 'stored' && stored ? stored : vThreshold.map(() => 0)
  expectEach(
    fields,
    'v_reset',
    values,
    'lie below v_threshold',
    (value, i) => Math.fround(value) < Math.fround(vThreshold[i]),
  )
  return values
}

/** When a neuron spikes; nothing where it does at its threshold too, as layers do by themselves. */
function firesOf({ fields, how, options }: Place): Pick<layers.CellOptions, 'fires'> {
  const noted = fields.note('fires')
  const own = noted === 'at' || noted === 'above' ? noted : undefined
  return (options.fires ?? own ?? how.fires ?? 'above') === 'above' ? { fires: 'above' } : {}
}

/** The weight by which spikes come back; undefined where they do not. */
function weightBack({ node, x, fields, file }: Place): Weights | undefined {
  const { recurrent: way } = node
  if (way === undefined) return undefined
  const count = sizeOf(x.shape)
  const toItself = (data: Float32Array): Weights => ({ 'recurrent.V': { shape: [count], data } })
  if (way.weight === undefined) return toItself(new Float32Array(count).fill(1))
  const from = fieldsOf(way.weight, file)
  if (way.weight.type === 'Scale') {
    const each = valuesOf(from, 'scale', x.shape).map(Math.fround)
    expectEach(from, 'scale', each, 'hold float32 numbers', Number.isFinite)
    return toItself(Float32Array.from(each))
  }
  if (!isVector(x))
    fail(
      `${fields.where}: spikes can come back through ${quote(way.weight!.name)} ` +
        `(${way.weight!.type}) to neurons [features] alone, got [${x.shape.join(', ')}]; put a ` +
        'Flatten before them',
    )
  const weight = matrixOf(from)
  if (!weight.shape.every((n) => n === count))
    fail(
      `${from.where}: its weight must be [${count}, ${count}], as many as the neurons it joins, ` +
        `got [${weight.shape.join(', ')}]`,
    )
  if (way.weight.type !== 'Affine') return { 'recurrent.weight': weight }
  const bias = float32(from, 'bias')
  if (bias.data.length !== count)
    fail(`${from.where}: bias must have ${count} numbers, got ${bias.data.length}`)
  return { 'recurrent.weight': weight, 'recurrent.bias': { shape: [count], data: bias.data } }
}
