/**
 * What only Node can do, under the same names: each says what to do in a page. `index.ts` has their
 * types.
 */

import { fail } from '../errors.js'

const inNode = (name: string, why: string, instead: string) => (): never => {
  fail(`${name} needs ${why}, which a page has not; ${instead}`)
}

export const checkpoint = /* @__PURE__ */ inNode(
  'checkpoint',
  'a folder',
  'keep model.toBytes() in onEpoch, for example in IndexedDB, and give it to model.load',
)

export const csvLogger = /* @__PURE__ */ inNode(
  'csvLogger',
  'a file',
  'fit gives each record to onEpoch, and all of them as history.epochs',
)

const NIR = 'convert it in Node, and give the bytes of model.save to loadModel'

export const loadNir = /* @__PURE__ */ inNode('loadNir', 'the package h5wasm and threads', NIR)

export const networkFromNir = /* @__PURE__ */ inNode(
  'networkFromNir',
  'the package h5wasm and threads',
  NIR,
)

export const dashboard = /* @__PURE__ */ inNode(
  'dashboard',
  'a server',
  'fit gives each record to onEpoch and each step to onStep, from which a page draws its charts',
)
