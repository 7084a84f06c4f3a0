/** What `diagnose` finds, as plain data: the contract of diagnose.json. */

import {
  type Method,
  type MethodChoice,
  type MethodOptions,
  type MethodTraits,
  methodNames,
  stepModesOf,
  traitsOf,
} from '../compile/methods.js'

/** A method whose cost is measured, as users name it: `bptt`, `rate-m`, `sltt-1`. */
export type Variant = Method | `${Method}-${string}`

type VariantOptions = Readonly<MethodOptions> & MethodChoice

/** A method in its step modes. Where they differ in where the loop over T is, all are usual. */
function modesOf(method: Method): { usual: boolean; row: [Variant, VariantOptions] }[] {
  const modes = stepModesOf(method)
  const loops = new Set(modes.map((stepMode) => traitsOf({ method, stepMode }).loop))
  return modes.map((stepMode, i) => {
    const name = loops.size > 1 || i > 0 ? (`${method}-${stepMode}` as const) : method
    return { usual: loops.size > 1 || i === 0, row: [name, { method, stepMode }] }
  })
}

const inModes = methodNames.flatMap(modesOf)

/** Methods with an option other than its default, where that changes what a step costs. */
const withOptions: readonly [Variant, VariantOptions][] = [
  ['ottt-o', { method: 'ottt', stepMode: 's', update: 'everyStep' }],
  ['sltt-1', { method: 'sltt', stepMode: 's', backwardSteps: 1 }],
]

/**
 * Methods whose cost is measured: all of the table, in their usual step modes, then in the others,
 * and some with options.
 */
export const variants: Readonly<Partial<Record<Variant, VariantOptions>>> = Object.fromEntries([
  ...[true, false].flatMap((which) =>
    inModes.filter(({ usual }) => usual === which).map(({ row }) => row),
  ),
  ...withOptions,
])

export const variantNames = Object.keys(variants) as Variant[]

/** The first variant that has what is asked for. */
function variantWith(has: (traits: MethodTraits) => boolean): Variant {
  const found = variantNames.find((name) => has(traitsOf(variants[name] as VariantOptions)))
  if (!found) throw new Error('no method has what a diagnosis compares')
  return found
}

/** The variants that the paper's claims are about. */
export const claimed = {
  /** Its gradient is the reference: through all time steps. */
  reference: variantWith(({ neuron }) => neuron === 'time'),
  /** Gradients of time means; backward once, and nothing kept for each step. */
  rate: variantWith(({ presynaptic, loop }) => presynaptic === 'mean' && loop === 'layers'),
  /** The same with the loop outside: currents are not kept for each step either. */
  rateInSteps: variantWith(({ presynaptic, loop }) => presynaptic === 'mean' && loop === 'network'),
} as const

/** −1…1; null where a vector is zero, as where nothing spikes. */
export type Cosine = number | null

/** What was diagnosed. */
export interface Setup {
  readonly network: string
  readonly dataset: string
  /** [C, H, W] */
  readonly input: readonly number[]
  readonly parameters: number
  readonly batchSize: number
  /** Optimizer steps of BPTT for each T. */
  readonly steps: number
  readonly learningRate: number
  /** Batches that each cosine and rate is the mean of. */
  readonly probes: number
  readonly timeSteps: readonly number[]
  readonly methods: readonly Variant[]
  readonly threads: number
  readonly seed: number
  /** With `processes`: peak of a process that loads the package and nothing else. */
  readonly baseBytes?: number
  /**
   * Titles of the layers that appear below, by name, in the order of the network: `neurons 2`,
   * `conv2d layer1.conv1`.
   */
  readonly layers: Readonly<Record<string, string>>
}

/** The paper's assumptions: cosines of two sides, which are near 1 where one holds. */
export const assumptions = {
  a1: {
    claim: 'the spikes’ error is independent in time of the neuron’s response',
    sides: 'E[δs κ] and E[δs] E[κ]',
    each: 'neuron layer',
  },
  a2: {
    claim: 'the current’s error is independent in time of the incoming spikes',
    sides: 'E[δI s] and E[δI] E[s]',
    each: 'weights',
  },
  a3: {
    claim: 'the rate gradient points where that of BPTT does',
    sides: 'the rate gradient and the BPTT gradient',
    each: 'weights',
  },
} as const
export type Assumption = keyof typeof assumptions
export const assumptionKeys = Object.keys(assumptions) as Assumption[]

/**
 * The assumptions at one moment of training: A1 by neuron layer, A2 by layer with weights that
 * reads spikes, A3 by layer with weights.
 */
export type Point = Readonly<Record<Assumption, Readonly<Record<string, Cosine>>>> & {
  /** Optimizer steps before it. */
  readonly step: number
}

/** The rate gradient of one parameter against that of BPTT. */
export interface GradientMatch {
  readonly parameter: string
  readonly cosine: Cosine
  /**
   * Norm of T times the rate gradient over the norm of the BPTT gradient; null where that is zero.
   * (The loss of the rate gradient is divided by T.)
   */
  readonly normRatio: number | null
}

/** A network trained with BPTT for one T. */
export interface TrainingDiagnosis {
  readonly timeSteps: number
  /** Start, between and end of training. */
  readonly points: readonly Point[]
  /** At the end, every parameter in the order of the network. */
  readonly gradients: readonly GradientMatch[]
  /** At the end: spikes per neuron, 0…1, at each of the T steps, by neuron layer. */
  readonly firingRates: Readonly<Record<string, readonly number[]>>
  /** At the end, 0…1. */
  readonly testAccuracy: number
}

/** Time and memory of one training step. */
export interface Cost {
  readonly method: Variant
  readonly timeSteps: number
  /** Median milliseconds on one thread. */
  readonly forwardMs: number
  readonly backwardMs: number
  readonly updateMs: number
  /** Median milliseconds of a whole step with `setup.threads`. */
  readonly stepMs: number
  /** Written by the forward pass and read by the backward pass. */
  readonly keptBytes: number
  /** All memory of the model. */
  readonly totalBytes: number
  /** With `processes`: the same in a process of its own. */
  readonly process?: ProcessCost
}

/** A training step in a process of its own. */
export interface ProcessCost {
  /** The most memory that the process has had (resident set). */
  readonly peakBytes: number
  /** All memory of the model. */
  readonly planBytes: number
  /** Median milliseconds of a step. */
  readonly stepMs: number
}

/** What a layer of neurons did. */
export interface LayerActivity {
  readonly neurons: number
  /** How many of the neurons the raster shows, at equal distances. */
  readonly rows: number
  /** One sample: row (1 …) and time step (1 …) of each spike. */
  readonly spikeRows: readonly number[]
  readonly spikeSteps: readonly number[]
  /** That sample: spikes per neuron, 0…1, at each step. */
  readonly sampleRates: readonly number[]
  /** The same, mean over all samples. */
  readonly rates: readonly number[]
}

/** Spikes at the end of training with BPTT, of samples of the test data. */
export interface Activity {
  /** The largest T. */
  readonly timeSteps: number
  readonly dataset: string
  /** How many samples `rates` are the mean of. */
  readonly samples: number
  /** Label of the sample that the raster shows; absent where there are none. */
  readonly label?: number
  /** Its predicted class. */
  readonly predicted: number
  /** By name, in the order of the network. */
  readonly layers: Readonly<Record<string, LayerActivity>>
}

export interface Diagnosis {
  readonly setup: Setup
  /** By T, in the order of `setup.timeSteps`. */
  readonly training: readonly TrainingDiagnosis[]
  /** By method, then T, in the orders of `setup`. */
  readonly costs: readonly Cost[]
  /** Absent where no layer spikes. */
  readonly activity?: Activity
}

/** Runs for about this long, at least three times; returns the milliseconds of each run. */
export async function timeRepeated(
  body: () => Promise<unknown>,
  milliseconds: number,
): Promise<number[]> {
  const times: number[] = []
  const end = performance.now() + milliseconds
  while (times.length < 3 || performance.now() < end) {
    const start = performance.now()
    await body()
    times.push(performance.now() - start)
  }
  return times
}
