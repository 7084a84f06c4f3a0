/**
 * Loaders of data sets in a page: `datasets`, each a function of its own, so that a bundle holds
 * those alone that are used.
 */

import { fail } from '../base/errors.js'
import { copyOf } from '../base/objects.js'
import type { LabelledData, Split } from './datasets/dataset.js'
import {
  fashionFlavour,
  mnistFlavour,
  mnistOfFiles,
  type NamedFiles,
} from './datasets/mnist-files.js'

export { digits } from './datasets/digits.js'

/** As in Node, from files alone. */
export function mnist(files: NamedFiles): Promise<Split<LabelledData>> {
  return mnistOfFiles('datasets.mnist', copyOf(files), mnistFlavour)
}

/** As in Node, from files alone. */
export function fashionMnist(files: NamedFiles): Promise<Split<LabelledData>> {
  return mnistOfFiles('datasets.fashionMnist', copyOf(files), fashionFlavour)
}

/** A loader of what lies in a folder. */
const inNode = (name: string, instead: string) => async (): Promise<Split<LabelledData>> => {
  fail(`datasets.${name} needs a folder or archive, which only Node can read; ${instead}`)
}

const BYTES = 'in a page, give the images to fromBytes'
const EVENTS = 'in a page, read each recording with events.read and cut it with events.toFrames'

export const cifar10 = /* @__PURE__ */ inNode('cifar10', BYTES)
export const cifar100 = /* @__PURE__ */ inNode('cifar100', BYTES)
export const imageFolder = /* @__PURE__ */ inNode('imageFolder', BYTES)
export const imageNet = /* @__PURE__ */ inNode('imageNet', BYTES)
export const nmnist = /* @__PURE__ */ inNode('nmnist', EVENTS)
export const cifar10Dvs = /* @__PURE__ */ inNode('cifar10Dvs', EVENTS)
export const dvsGesture = /* @__PURE__ */ inNode('dvsGesture', EVENTS)
export const shd = /* @__PURE__ */ inNode('shd', BYTES)
export const ssc = /* @__PURE__ */ inNode('ssc', BYTES)
export const eventFolder = /* @__PURE__ */ inNode('eventFolder', EVENTS)
