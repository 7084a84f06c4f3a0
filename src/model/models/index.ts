/**
 * Networks: two small ones, and those of the paper on rate-based backpropagation (Yu et al.,
 * NeurIPS 2024) with the names, shapes and initial values of its code.
 */

export type { NetworkOptions } from './options.js'
export {
  type PretrainedName,
  type PretrainedOptions,
  pretrained,
  pretrainedNames,
} from './pretrained.js'
export { esdResnet18, preactResnet34, resnet18, resnet19, sewResnet34 } from './resnet.js'
export { cnn, eventCnn, mlp, type VggsnnOptions, vgg11, vgg13, vggsnn } from './vgg.js'
