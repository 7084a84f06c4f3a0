/**
 * Trained networks by name: their files, and what was measured of them. `node tools/pretrained.mjs
 * NAME FOLDER` puts the weights of a run in the place of a network's, writes its figures here, and
 * the cards of docs/models.md from this table and `cards.ts`.
 */

import { VERSION } from '../../base/version.js'

/** Where files lie that are too large for the package: those of each release. */
const RELEASES = 'https://github.com/OWNER/spikewasm/releases/download'

/** What a network's file is, and what was measured of it. */
export interface Figures {
  readonly sha256: string
  readonly bytes: number
  /** Whether it comes with the package. */
  readonly isPacked: boolean
  readonly parameters: number
  /** Sizes of a sample, and its time steps. */
  readonly input: readonly number[]
  readonly timeSteps: number
  /** What weights are that spikes meet. */
  readonly weights: string
  /** Kinds of layers with neurons, and their thresholds. */
  readonly neurons: string
  readonly labels: readonly string[]
  /** Of one prediction; of `nmnist` it was not measured. */
  readonly microjoules?: number
  /** Shares of neurons and steps with a spike, by layer. */
  readonly firingRates: Readonly<Record<string, number>>
  /** Shares of test samples that are right; `mirrored`: with the sum of two outputs. */
  readonly accuracy?: number
  readonly mirroredAccuracy?: number
  /** Of an actor: steps of an episode, and episodes to the end. */
  readonly mean?: number
  readonly full?: number
}

// <figures>
export const figures = {
  cartpole: {
    sha256: 'b975fe9763a7dac69cf3d0337f34305b0c205b08d815bcb1cd9c63f7f6b31732',
    bytes: 3128,
    isPacked: true,
    parameters: 450,
    input: [4],
    timeSteps: 4,
    weights: 'f32',
    neurons: 'lif, τ 1.25, θ 1',
    labels: ['left', 'right'],
    microjoules: 0.004749,
    firingRates: { '1': 0.1657 },
    mean: 500,
    full: 200,
  },
  'cifar10-cnn': {
    sha256: '0b03ec32a1f98116d6f781bae18da1d209ac25e25747bac0ba314fcc4e9493ca',
    bytes: 9201704,
    isPacked: false,
    parameters: 2295114,
    input: [3, 32, 32],
    timeSteps: 4,
    weights: 'int8',
    neurons: 'lif, τ 1.25, θ 1; lif, τ 1.25, θ 2',
    labels: [
      'airplane',
      'automobile',
      'bird',
      'cat',
      'deer',
      'dog',
      'frog',
      'horse',
      'ship',
      'truck',
    ],
    microjoules: 340.4,
    firingRates: {
      '2.0': 0.1379,
      '2.1': 0.03446,
      '6.0': 0.1289,
      '6.1': 0.02279,
      '9.0': 0.08709,
      '9.1': 0.01604,
      '13.0': 0.08309,
      '13.1': 0.01255,
      '16.0': 0.07431,
      '16.1': 0.01281,
      '20.0': 0.1236,
      '20.1': 0.04417,
    },
    accuracy: 0.8924,
    mirroredAccuracy: 0.9013,
  },
  'digit-rows': {
    sha256: 'aa8b2a5ea85d0d6b34c04f939c3f30d774de56e0092e4823e1f418a5025c8a7e',
    bytes: 46512,
    isPacked: true,
    parameters: 11146,
    input: [8],
    timeSteps: 8,
    weights: 'f32',
    neurons: 'recurrent lif, τ 4, θ 1; leakyIntegrator, τ 4',
    labels: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
    microjoules: 0.0439,
    firingRates: { '1': 0.2515 },
    accuracy: 0.9352,
  },
  'fashion-mnist-cnn': {
    sha256: '2b7bf3c3b158ad4a559eb933751683f493a75df845a12b1d2517b40dc21a98ed',
    bytes: 85784,
    isPacked: true,
    parameters: 20538,
    input: [1, 28, 28],
    timeSteps: 4,
    weights: 'f32',
    neurons: 'lif, τ 1.25, θ 1',
    labels: [
      'T-shirt/top',
      'Trouser',
      'Pullover',
      'Dress',
      'Coat',
      'Sandal',
      'Shirt',
      'Sneaker',
      'Bag',
      'Ankle boot',
    ],
    microjoules: 6.175,
    firingRates: { '2': 0.158, '6': 0.2474 },
    accuracy: 0.914,
  },
  nmnist: {
    sha256: '2de85f6104c984e5f35f1231571b67ace5322d378f55172006f468e77f9a0b58',
    bytes: 140448,
    isPacked: true,
    parameters: 33802,
    input: [2, 34, 34],
    timeSteps: 10,
    weights: 'f32',
    neurons: 'lif, τ 1.25, θ 1',
    labels: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
    microjoules: 17.9,
    firingRates: { '2': 0.054, '6': 0.102, '10': 0.214 },
    accuracy: 0.95,
  },
} satisfies Readonly<Record<string, Figures>>
// </figures>

/** Name of a trained network. */
export type PretrainedName = keyof typeof figures

/** Data sets of the weights of a name, by their names on the command line. */
const datasets: Partial<Record<PretrainedName, string>> = {
  'cifar10-cnn': 'cifar10',
  'fashion-mnist-cnn': 'fashion-mnist',
  nmnist: 'nmnist',
}

/** The data set that the weights of a name belong to, where the command line knows it. */
export const pretrainedDataset = (name: PretrainedName): string | undefined => datasets[name]

/** Where a file is that does not come with the package. */
export const releaseOf = (name: PretrainedName): string =>
  `${RELEASES}/v${VERSION}/${name}.safetensors`

/**
 * Whether anybody has published this version: else nobody has said where. The pattern is written
 * so that it is no placeholder itself, which filling them in would change.
 */
export const isPublished = !/\/OWN[E]R\//.test(RELEASES)
