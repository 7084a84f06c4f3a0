/** Trained networks by name. `node tools/pretrained.mjs NAME FOLDER` writes the hashes. */

import { VERSION } from '../../base/version.js'

/** SHA-256 of each file. */
export const hashes = {
  cartpole: 'b975fe9763a7dac69cf3d0337f34305b0c205b08d815bcb1cd9c63f7f6b31732',
  'cifar10-cnn': '0b03ec32a1f98116d6f781bae18da1d209ac25e25747bac0ba314fcc4e9493ca',
  'digit-rows': 'aa8b2a5ea85d0d6b34c04f939c3f30d774de56e0092e4823e1f418a5025c8a7e',
  'fashion-mnist-cnn': '2b7bf3c3b158ad4a559eb933751683f493a75df845a12b1d2517b40dc21a98ed',
  nmnist: '2de85f6104c984e5f35f1231571b67ace5322d378f55172006f468e77f9a0b58',
} as const

/** Name of a trained network. */
export type PretrainedName = keyof typeof hashes

/** Data sets of the weights of a name, by their names on the command line. */
const datasets: Partial<Record<PretrainedName, string>> = {
  'cifar10-cnn': 'cifar10',
  'fashion-mnist-cnn': 'fashion-mnist',
  nmnist: 'nmnist',
}

/** The data set that the weights of a name belong to, where the command line knows it. */
export const pretrainedDataset = (name: PretrainedName): string | undefined => datasets[name]

/** Files that are too large for the package; each release has them beside it. */
const attached: readonly PretrainedName[] = ['cifar10-cnn']

/** Whether the file comes with the package. */
export const isPacked = (name: PretrainedName): boolean => !attached.includes(name)

const RELEASES = 'https://github.com/OWNER/spikewasm/releases/download'

/** Where a file is that does not come with the package. */
export const releaseOf = (name: PretrainedName): string =>
  `${RELEASES}/v${VERSION}/${name}.safetensors`

/** Whether the account has been filled in. The brackets keep this placeholder as it is. */
export const isPublished = !/OWN[E]R/.test(RELEASES)
