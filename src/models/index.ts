/**
 * Networks: two small ones, and those of the paper on rate-based backpropagation (Yu et al.,
 * NeurIPS 2024) with the names, shapes and initial values of its code.
 */

export { cnn } from './cnn.js'
export { esdResnet18 } from './distillation.js'
export { eventCnn } from './event-cnn.js'
export { mlp } from './mlp.js'
export type { NetworkOptions } from './options.js'
export { preactResnet34 } from './preact.js'
export {
  type PretrainedName,
  type PretrainedOptions,
  pretrained,
  pretrainedNames,
} from './pretrained.js'
export { resnet18, resnet19 } from './resnet.js'
export { sewResnet34 } from './sew.js'
export { type VggsnnOptions, vgg11, vgg13, vggsnn } from './vgg.js'
