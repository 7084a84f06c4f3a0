/**
 * spikewasm in a page: the values of `index.ts`, whose types hold here too. What needs Node says so
 * when it is called. Nothing that this file reaches imports a module of Node.
 */

// These first: bundles then hold alike code side by side, which packs 2 % smaller (`npm run size`).
import './edge/net.js'
import './files/safetensors.js'
import './compile/convolution/index.js'
import './model/models/resnet.js'
import './engine/page/platform.js'
import { fail } from './base/errors.js'
import * as model from './model/model.js'
import { loadModel } from './model/page.js'
import { registerExtras } from './train/registered.js'

// What only Node can do, under the same names: each says what to do in a page. `index.ts` has their
// types.

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

const NIR = [
  'the package h5wasm and threads',
  'convert it in Node, and give the bytes of model.save to loadModel',
] as const

export const loadNir = /* @__PURE__ */ inNode('loadNir', ...NIR)

export const networkFromNir = /* @__PURE__ */ inNode('networkFromNir', ...NIR)

export const dashboard = /* @__PURE__ */ inNode(
  'dashboard',
  'a server',
  'fit gives each record to onEpoch and each step to onStep, from which a page draws its charts',
)

// `Model` as a page exports it: only a page that imports the class can ask it for `fromBytes`.

function withFiles(): typeof model.Model {
  registerExtras({ fromBytes: loadModel })
  return model.Model
}

export const Model = withFiles()

export { SpikewasmError } from './base/errors.js'
export * from './data/common.js'
export { events } from './data/events/read-in-page.js'
export * as datasets from './data/page-datasets.js'
export { evaluateNet } from './edge/accuracy.js'
export { type BothTargets, exportWasm } from './edge/export.js'
export { netHeader } from './edge/header.js'
export { netInfo, openNet } from './edge/net.js'
export { readState } from './edge/state.js'
export { checkNeuron } from './model/check-neuron.js'
export { compile } from './model/compile.js'
export { block, layer, residual, sequential } from './model/containers.js'
export * from './model/models/index.js'
export * as neurons from './model/neurons.js'
export { loadModel, networkFromJSON } from './model/page.js'
export {
  constant,
  cosine,
  linearWarmup,
  oneCycle,
  perStep,
  plateau,
  stepDecay,
} from './network/optimizer.js'
export * from './nn/layers/index.js'
export * from './nn/loss/check-gradient.js'
export * from './nn/loss/custom.js'
export * from './nn/loss/kinds.js'
export * from './nn/optimizers.js'
export * from './nn/rule.js'
export * as ops from './ops/index.js'

export { earlyStopping } from './train/callbacks/early-stopping.js'
export { progress } from './train/callbacks/progress.js'
export { comparableLr } from './train/comparable-lr.js'
