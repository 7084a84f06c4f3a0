/** Neurons from equations, forward and backward through time. */

import { Rec } from '../../../assembly/opcodes.js'
import { contributions } from './gradient.js'
import * as word from './schema.js'
import { copies, type Field, type FieldsOf, type Place, perByte, record } from './schema.js'

/** Parameters that a layer may learn, and the word that has the first one's address. */
export const MOST_LEARNT = 13
export const FIRST_LEARNT = 50

/** Where each of them is. */
const learnt = Object.fromEntries(
  Array.from({ length: MOST_LEARNT }, (_, i) => [`learnt${i}`, word.readsIf(FIRST_LEARNT + i)]),
) as { readonly [name: `learnt${number}`]: Field<Place | undefined> }

/** What both directions read. */
const shared = {
  /** Which function of the table. */
  kernel: word.number(4),
  pixels: word.number(5),
  channels: word.size(6),
  /** Channels without padding, whose neurons neither fire nor give anything. */
  realChannels: word.number(45),
  /** Pixels of an image, where parameters differ from neuron to neuron. */
  imagePixels: word.number(44),
  /** Steps of a call. */
  steps: word.number(8),
  /**
   * Two currents: float32 [P][T][C] with strides between pixels and steps; scale and shift, mean
   * and inverse deviation [groups][C], with a stride between groups; the time mean of (A −
   * mean)·invStd, float32 [P][C].
   */
  a: word.reads(9),
  aPixelBytes: word.size(10),
  aStepBytes: word.size(11),
  /** Arrays of parameters that are not learnt, one behind the other. */
  given: word.dataIf(49),
  ...learnt,
}

/** Currents through normalisations, and spikes as currents. */
const currents = {
  pixelsPerUnit: word.number(7),
  aScale: word.readsIf(12),
  aShift: word.readsIf(13),
  aGroupBytes: word.numberIf(14),
  b: word.readsIf(18),
  bPixelBytes: word.numberIf(19),
  bStepBytes: word.numberIf(20),
  bScale: word.readsIf(21),
  bShift: word.readsIf(22),
  bGroupBytes: word.numberIf(23),
  /** Masks of spikes that are a current. */
  spikes: word.readsIf(27),
  spikePlaneBytes: word.numberIf(28),
}

/** Time means of what normalisations give. */
const means = {
  aMean: word.readsIf(15),
  aInvStd: word.readsIf(16),
  aXhat: word.carriesIf(17),
  bMean: word.readsIf(24),
  bInvStd: word.readsIf(25),
  bXhat: word.carriesIf(26),
}

/** What the forward pass leaves. */
const results = {
  /** Results: masks and counts as of neurons, or numbers [P][T][C] where nothing spikes. */
  masks: word.writesIf(29),
  planeBytes: word.sizeIf(30),
  counts: word.carriesIf(31),
  /** u32 [units]: spikes of each unit, over all steps so far. */
  countPartials: word.carriesIf(32),
  out: word.writesIf(33),
  /** float32 [P][C]; of each step [P][T][C]; by what is learnt [P][learnt][C]. */
  eligibility: word.carriesIf(34),
  surrogateOut: word.writesIf(35),
  traces: word.carriesIf(36),
  /** float32 [rows][P][C] from call to call: states, and their derivatives. */
  state: word.carriesIf(37),
  /** What evaluation counts: as of neurons; the function that counts changes of potentials. */
  activity: word.updatesIf(46),
  activityWanted: word.readsIf(47),
  counting: word.numberIf(48),
  /** float32 [P][steps of all calls][recorded names][C]: for who wants to see states. */
  recorded: word.carriesIf(63),
}

/** What a backward pass through time reads and leaves. */
const gradients = {
  /** Backward: from ∂L/∂output to ∂L/∂x, [P][T][C]. */
  delta: word.writes(38),
  contributions: contributions(39),
  contributionCount: word.number(40),
  pixelsPerRun: word.number(41),
  height: word.number(42),
  width: word.number(43),
  traces: word.writesIf(36),
}

/** The weight through which a layer's own spikes come back. */
const weight = {
  /** float32 [N][N], or with oneToOne [N], from neuron to neuron as stored; the bias [N], or 0. */
  weight: word.reads(18),
  bias: word.readsIf(19),
  oneToOne: word.flag(20),
}

/**
 * Forward over all T steps, by functions that are made for a plan: neuron/neurons.ts. Unit =
 * pixelsPerUnit pixels.
 */
export const neuron = record(
  'Neuron',
  30,
  perByte(0.05),
  { ...shared, ...currents, ...means, ...results },
  () => 16,
)

/** Through time; unit = pixelsPerUnit pixels. */
export const neuronBackwardTime = record('NeuronBackwardTime', 32, perByte(0.05), {
  ...shared,
  ...currents,
  ...gradients,
})

/** Bytes of a record, which recurrent neurons copy, and of the sums before it. */
const COPY_BYTES = Rec.Bytes + 16

/** The same of recurrent neurons; unit = an image. */
export const recurrent = record(
  'Recurrent',
  100,
  perByte(0.15),
  {
    ...shared,
    ...results,
    ...weight,
    state: word.carries(37),
    /** What is kept of each step for the way back, [P][T][C]. */
    inputs: word.writesIf(21),
    presynaptic: word.writesIf(22),
    /** Non-zero: Presynaptic is a trace of spikes. */
    traced: word.flagIf(23),
    /** Bytes of State before the spikes of a step as numbers. */
    fired: word.size(24),
    /** u32 [P][C]: spikes that come to the weight. */
    arrivals: word.updatesIf(25),
  },
  ({ imagePixels, channels }) => COPY_BYTES + imagePixels * channels * 5,
)

export const recurrentBackward = record(
  'RecurrentBackward',
  101,
  perByte(0.3),
  {
    ...shared,
    ...gradients,
    ...weight,
    /** Backward: the function that runs forward again, and numbers of a neuron's state. */
    /** Copies of the record alone say where states of each step are, and their gradients. */
    kept: word.sizeIf(12),
    adjoints: word.sizeIf(13),
    ahead: word.number(26),
    states: word.size(27),
    /** Steps of a segment, beyond which nothing goes back; 0: there is one. */
    segment: word.numberIf(28),
  },
  ({ imagePixels, channels, states, steps }) =>
    COPY_BYTES + imagePixels * channels * 4 * states * (steps + 1),
)

/** A recurrent weight's; unit = four neurons, one of the bias. */
export const recurrentGradient = record('RecurrentGradient', 102, perByte(0.5), {
  /** [N][N], from neuron to neuron as stored, with oneToOne [N]; [N], or 0. */
  out: word.writesOrAdds(4, 'accumulate'),
  biasOut: word.writesOrAddsIf(5, 'accumulate'),
  /** float32 [images][Pixels][T][C]: what the weight multiplied with, and of the input. */
  in: word.reads(6),
  delta: word.reads(7),
  images: word.number(8),
  /** Pixels of an image. */
  pixels: word.number(9),
  channels: word.size(10),
  steps: word.number(11),
  /** Non-zero: add to what is there. */
  accumulate: word.flag(12),
  /** Non-zero: as of neurons; there is no bias. */
  oneToOne: word.flagIf(13),
})

/** Gradient of what neurons learn; unit = pixelsPerUnit pixels. */
export const learnGradient = record(
  'LearnGradient',
  103,
  copies,
  {
    /** float32 [imagePixels][C] where there is no Partial. */
    out: word.writesIf(4),
    /** float64 [units][C], or 0. */
    partial: word.writesIf(13),
    /** Its row among Rows of Traces [P][Rows][C]. */
    traces: word.reads(5),
    rows: word.size(6),
    row: word.size(7),
    /** Gradient of the time mean of the output [P][C], or 0: 1. */
    delta: word.readsIf(8),
    pixels: word.number(9),
    imagePixels: word.number(10),
    channels: word.size(11),
    pixelsPerUnit: word.number(12),
  },
  ({ partial, channels }) => (partial ? 0 : channels * 8),
)

/** The end of it; one unit. */
export const learnFinish = record('LearnFinish', 104, copies, {
  /** [C], or with Scalar one number. */
  out: word.writes(4),
  /** float64 [Units][C]. */
  partial: word.reads(5),
  units: word.number(6),
  channels: word.size(7),
  scalar: word.flag(8),
})

const fields = { ...neuron.schema, ...recurrentBackward.schema }
/** The words of all records of neurons. */
export const neuronWords = Object.fromEntries(
  Object.entries(fields).map(([name, { word }]) => [name, word]),
) as { readonly [name in keyof typeof fields]: number }

export type NeuronFields = FieldsOf<typeof neuron>

// The threshold that follows the potentials of a layer.

/** Sums of potentials before they fire; unit = pixelsPerUnit pixels. */
export const stabilizedSums = record('StabilizedSums', 151, copies, {
  /** float32 [P][C]: potentials before they fire. */
  charged: word.reads(4),
  pixels: word.number(5),
  channels: word.size(6),
  /** Channels without padding. */
  realChannels: word.number(7),
  pixelsPerUnit: word.number(8),
  /** f64 [Units][2]: sums of potentials and of their squares. */
  moments: word.writes(9),
})

/** The threshold of a step, from those sums; one unit. */
export const stabilizedThreshold = record('StabilizedThreshold', 152, copies, {
  pixels: word.number(5),
  /** Θ of the first step. */
  threshold: word.f32(12),
  realChannels: word.number(7),
  units: word.size(10),
  moments: word.reads(9),
  /**
   * f32 [2]: how many deviations above the mean the threshold is, and the threshold. Ratio and
   * threshold.
   */
  stability: word.carries(11),
  /** f32 [1], and its f32 share of a step. */
  runningThreshold: word.updates(13),
  share: word.f32(14),
})
