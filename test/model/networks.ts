/**
 * The networks under test: how each is made, an input that it accepts, and the list of its names in
 * the official code.
 */
import { readFileSync } from 'node:fs'
import type { Block } from '../../src/model/containers.js'
import {
  preactResnet34,
  resnet18,
  resnet19,
  sewResnet34,
  vgg11,
  vgg13,
  vggsnn,
} from '../../src/model/models/index.js'
import type { NetworkOptions } from '../../src/model/models/options.js'

type Size = readonly [number, number, number]

export interface Network {
  /** File below test/fixtures/names. */
  readonly name: string
  readonly make: (options?: NetworkOptions) => Block
  /** What the paper trains it on. */
  readonly input: Size
  /** The smallest input that leaves a pixel at the end. */
  readonly small: Size
  readonly parameters: number
}

const cifar = { input: [3, 32, 32] } as const
const imagenet = { input: [3, 224, 224], small: [3, 32, 32], parameters: 21806184 } as const

export const networks: readonly Network[] = [
  { name: 'vgg11', make: vgg11, ...cifar, small: [3, 16, 16], parameters: 11001354 },
  { name: 'vgg13', make: vgg13, ...cifar, small: [3, 16, 16], parameters: 9416010 },
  {
    name: 'vggsnnCifar',
    make: (options) => vggsnn({ ...options, imageSize: 32 }),
    ...cifar,
    small: [3, 32, 32],
    parameters: 9272074,
  },
  {
    name: 'vggsnnDvs',
    make: (options) => vggsnn({ inChannels: 2, ...options }),
    input: [2, 48, 48],
    small: [2, 48, 48],
    parameters: 9271498,
  },
  { name: 'resnet18', make: resnet18, ...cifar, small: [3, 8, 8], parameters: 11173962 },
  { name: 'resnet19', make: resnet19, ...cifar, small: [3, 8, 8], parameters: 12697994 },
  { name: 'sewResnet34', make: sewResnet34, ...imagenet },
  { name: 'preactResnet34', make: preactResnet34, ...imagenet },
]

/**
 * Names and shapes of the official network's state dict without `num_batches_tracked`, in its
 * order.
 */
export function officialNames(name: string): Record<string, number[]> {
  return JSON.parse(
    readFileSync(new URL(`../../../test/fixtures/names/${name}.json`, import.meta.url), 'utf8'),
  )
}
