/** Neurons of the field from their equations, with its names of parameters. */

import { checkArguments, checkOptions } from '../../base/errors.js'
import { checkSurrogate, isSurrogate, type SurrogateName } from '../../network/surrogates.js'
import type { PerNeuron } from '../../network/value.js'
import { type EquationOptions, type Equations, neuronOf } from './equations.js'

/** Options that all of these neurons have; each has a default. */
export interface MembraneOptions extends Pick<EquationOptions, 'surrogate' | 'learn'> {
  /**
   * Sharpness α of the surrogate, > 0. Default: that of `lif`, divided by 20 where potentials are
   * in mV, since rest and threshold lie about 20 mV apart.
   */
  alpha?: number
  /** Length of a time step, > 0, in the unit of the equations' time. */
  dt?: number
  /** What the input is multiplied with; default 1. */
  inputScale?: PerNeuron
}

/** What a kind of neurons is; `O`: its own options. */
interface Membrane<O> {
  /** Numbers by name; undefined: the text does not read it. */
  readonly defaults: Readonly<Record<keyof O, number | undefined>>
  readonly dt: number
  /** What the distance to the threshold is measured in. */
  readonly unit: number
  /** What a step does; `x`: the input. */
  text(x: string, given: O): string
  /** States before the first step. */
  init?(values: Readonly<Record<keyof O, PerNeuron>>): Readonly<Record<string, PerNeuron>>
}

const common = ['surrogate', 'alpha', 'learn', 'dt', 'inputScale'] as const

/** The function that makes neurons of a kind. */
const maker =
  <O extends object>(name: string, kind: Membrane<O>) =>
  (options: O & MembraneOptions = {} as O & MembraneOptions, ...more: []): Equations => {
    checkArguments(name, more)
    const own = Object.keys(kind.defaults)
    checkOptions(name, options, [...own, ...common])
    const { surrogate = 'sigmoid', learn, inputScale, dt = kind.dt } = options
    const values: Record<string, PerNeuron | undefined> = { ...kind.defaults, ...options }
    const read = [...own, 'inputScale'].filter((key) => values[key] !== undefined)
    const parameters = Object.fromEntries(read.map((key) => [key, values[key] as PerNeuron]))
    const text = kind.text(inputScale === undefined ? 'x' : 'inputScale*x', options)
    const init: Record<string, number | string> = {}
    for (const [state, value] of Object.entries(kind.init?.(parameters as never) ?? {})) {
      // A number of each neuron is a parameter of its own, which stays where another is learnt.
      if (typeof value !== 'number') parameters[`${state}0`] = value
      init[state] = typeof value === 'number' ? value : `${state}0`
    }
    const usual = isSurrogate(surrogate)
      ? checkSurrogate(name, { surrogate: surrogate as SurrogateName }).alpha
      : 1
    const { alpha = usual / kind.unit } = options
    return neuronOf(name, text, parameters, { surrogate, alpha, learn, dt, init })
  }

/** What is neither a number nor a list is refused later, by its name. */
const times = (a: PerNeuron, b: number): PerNeuron =>
  typeof a === 'number' ? a * b : Array.from(a ?? [], (one) => one * b)

/** Options of `izhikevich`; each has a default. */
export interface IzhikevichOptions {
  /** How fast the recovery u is, in 1/ms; default 0.02. */
  a?: PerNeuron
  /** How much u follows v; default 0.2. */
  b?: PerNeuron
  /** v behind a spike, in mV; default −65. */
  c?: PerNeuron
  /** What a spike adds to u; default 8. */
  d?: PerNeuron
  /** v at which a spike ends, in mV; default 30. */
  vPeak?: PerNeuron
}

/**
 * Neurons that spike as many of the cortex do: [C, H, W] → [C, H, W]. Time is in ms, v in mV:
 * dv/dt = 0.04v² + 5v + 140 − u + x, du/dt = a(bv − u); at a spike v ← c, u ← u + d (Izhikevich
 * 2003, doi 10.1109/TNN.2003.820440). Defaults are those of a regular spiking cell, which fires
 * from an input of about 4 on; `dt` is 0.5 ms, the paper's step of v. v starts at −65, u at −65·b.
 * @function
 * @throws SpikewasmError when an option is unknown or out of range
 */
export const izhikevich = maker<IzhikevichOptions>('izhikevich', {
  defaults: { a: 0.02, b: 0.2, c: -65, d: 8, vPeak: 30 },
  dt: 0.5,
  unit: 20,
  text: (x) => `dv/dt = 0.04*v^2 + 5*v + 140 - u + ${x}
du/dt = a*(b*v - u)
spike = v >= vPeak
v = where(detach(spike), c, v)
u = u + d*detach(spike)`,
  init: ({ b }) => ({ v: -65, u: times(b, -65) }),
})

/** Options of `adex`; each has a default. */
export interface AdexOptions {
  /** Capacitance in pF; default 281. */
  C?: PerNeuron
  /** Leak conductance in nS; default 30. */
  gL?: PerNeuron
  /** Resting potential in mV; default −70.6. */
  EL?: PerNeuron
  /** Threshold from which on v rises by itself, in mV; default −50.4. */
  VT?: PerNeuron
  /** How sharp the rise is, in mV; default 2. */
  deltaT?: PerNeuron
  /** Time constant of the adaptation w in ms; default 144. */
  tauW?: PerNeuron
  /** How much w follows v, in nS; default 4. */
  a?: PerNeuron
  /** What a spike adds to w, in pA; default 80.5. */
  b?: PerNeuron
  /** v behind a spike, in mV; default EL. */
  vReset?: PerNeuron
  /** v at which a spike is cut off, in mV; default VT + 5·deltaT. */
  vCut?: PerNeuron
}

/**
 * Adaptive exponential integrate-and-fire neurons: [C, H, W] → [C, H, W]. Time is in ms, v in mV, w
 * and the input in pA: C dv/dt = gL(EL − v) + gL·deltaT·exp((v − VT)/deltaT) − w + x, tauW dw/dt =
 * a(v − EL) − w; at a spike v ← vReset, w ← w + b (Brette & Gerstner 2005, doi
 * 10.1152/jn.00686.2005, whose numbers are the defaults). A spike ends at VT + 5·deltaT, so that
 * the exponential stays small. They fire from an input of about 600 on; see `inputScale`. `dt` is
 * 1 ms.
 * @function
 * @throws SpikewasmError when an option is unknown or out of range
 */
export const adex = maker<AdexOptions>('adex', {
  defaults: {
    C: 281,
    gL: 30,
    EL: -70.6,
    VT: -50.4,
    deltaT: 2,
    tauW: 144,
    a: 4,
    b: 80.5,
    vReset: undefined,
    vCut: undefined,
  },
  dt: 1,
  unit: 20,
  text: (x, { vReset, vCut }) => `C > 0
deltaT > 0
tauW > 0
dv/dt = (gL*(EL - v) + gL*deltaT*exp((v - VT)/deltaT) - w + ${x})/C
dw/dt = (a*(v - EL) - w)/tauW
spike = v >= ${vCut === undefined ? 'VT + 5*deltaT' : 'vCut'}
v = where(detach(spike), ${vReset === undefined ? 'EL' : 'vReset'}, v)
w = w + b*detach(spike)`,
  init: ({ EL }) => ({ v: EL }),
})

/** Options that both have; each has a default. */
interface IntegrateAndFireOptions {
  /** Time constant of the membrane, > 0; default 2. */
  tau?: PerNeuron
  /** v at which a neuron spikes; default 1. */
  vThreshold?: PerNeuron
  /** v behind a spike, and before the first step; default −0.1. */
  vReset?: PerNeuron
  /** Where v rests; default 0. */
  vRest?: PerNeuron
}

const usual = { tau: 2, vThreshold: 1, vReset: -0.1, vRest: 0 }
const ofBoth = {
  dt: 1,
  unit: 1,
  init: ({ vReset }: Readonly<Record<'vReset', PerNeuron>>) => ({ v: vReset }),
}
const fires = `spike = v >= vThreshold
v = where(detach(spike), vReset, v)`

/** Options of `quadraticIntegrateAndFire`; each has a default. */
export interface QuadraticIntegrateAndFireOptions extends IntegrateAndFireOptions {
  /** How strong the parabola is; default 1. */
  a0?: PerNeuron
  /** v from which on it rises by itself; default 0.8. */
  vC?: PerNeuron
}

/**
 * Quadratic integrate-and-fire neurons: [C, H, W] → [C, H, W], tau dv/dt = a0(v − vRest)(v − vC) +
 * x; a neuron spikes at vThreshold, behind which v is vReset (Latham et al. 2000, doi
 * 10.1152/jn.2000.83.2.808). Potentials lie near 0 … 1, as those of `lif`; `dt` is 1. A current
 * far below 0 makes it spike too, where a step leaps over the valley of the parabola.
 * @function
 * @throws SpikewasmError when an option is unknown or out of range
 */
export const quadraticIntegrateAndFire = maker<QuadraticIntegrateAndFireOptions>(
  'quadraticIntegrateAndFire',
  {
    ...ofBoth,
    defaults: { ...usual, a0: 1, vC: 0.8 },
    text: (x) => `tau > 0
dv/dt = (a0*(v - vRest)*(v - vC) + ${x})/tau
${fires}`,
  },
)

/** Options of `exponentialIntegrateAndFire`; each has a default. */
export interface ExponentialIntegrateAndFireOptions extends IntegrateAndFireOptions {
  /** v from which on it rises by itself; default 0.8. */
  vT?: PerNeuron
  /** How sharp the rise is, > 0; default 0.2. */
  deltaT?: PerNeuron
}

/**
 * Exponential integrate-and-fire neurons: [C, H, W] → [C, H, W], tau dv/dt = vRest − v +
 * deltaT·exp((v − vT)/deltaT) + x; a neuron spikes at vThreshold, behind which v is vReset
 * (Fourcaud-Trocmé et al. 2003, doi 10.1523/JNEUROSCI.23-37-11628.2003). Potentials lie near 0 … 1,
 * as those of `lif`; `dt` is 1.
 * @function
 * @throws SpikewasmError when an option is unknown or out of range
 */
export const exponentialIntegrateAndFire = maker<ExponentialIntegrateAndFireOptions>(
  'exponentialIntegrateAndFire',
  {
    ...ofBoth,
    defaults: { ...usual, vT: 0.8, deltaT: 0.2 },
    text: (x) => `tau > 0
deltaT > 0
dv/dt = (vRest - v + deltaT*exp((v - vT)/deltaT) + ${x})/tau
${fires}`,
  },
)

/** Options of `resonateAndFire`; each has a default. */
export interface ResonateAndFireOptions {
  /** Damping of the oscillation, < 0; default −1. */
  b?: PerNeuron
  /** Its angular frequency; default 10. */
  omega?: PerNeuron
  /** Imaginary part at which a neuron spikes, and which it has behind a spike; default 1. */
  vThreshold?: PerNeuron
}

/**
 * Neurons that answer to a rhythm: [C, H, W] → [C, H, W]. A complex number z turns and decays,
 * dz/dt = (b + iω)z; the input is added to its real part at each step, as a spike's weight is. A
 * neuron spikes where the imaginary part reaches vThreshold, behind which z is i·vThreshold
 * (Izhikevich 2001, doi 10.1016/S0893-6080(01)00078-8). `dt` is 0.05: a turn takes 12.6 steps.
 * @function
 * @throws SpikewasmError when an option is unknown or out of range
 */
export const resonateAndFire = maker<ResonateAndFireOptions>('resonateAndFire', {
  defaults: { b: -1, omega: 10, vThreshold: 1 },
  dt: 0.05,
  unit: 1,
  // Euler's method grows where ω·dt is large; with the new real part it does not.
  text: (x) => `b < 0
re = re + dt*(b*re - omega*im) + ${x}
im = im + dt*(omega*re + b*im)
spike = im >= vThreshold
re = where(detach(spike), 0, re)
im = where(detach(spike), vThreshold, im)`,
})
