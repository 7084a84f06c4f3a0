/** In a page this stands for `plain.ts`: no other thread makes a page's data sets again. */

import type * as plain from './plain.js'

export const withPlain: typeof plain.withPlain = (dataset) => dataset

export const changesOf: typeof plain.changesOf = () => undefined

export const hashOf: typeof plain.hashOf = () => undefined

export const isOurs: typeof plain.isOurs = () => false

export const plainOf: typeof plain.plainOf = () => undefined

export const bytesToShare: typeof plain.bytesToShare = (length) => new ArrayBuffer(length)

export const sharedBytes: typeof plain.sharedBytes = (bytes) => bytes
