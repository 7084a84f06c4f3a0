/**
 * spikewasm in a page: the values of `index.ts`, whose types hold here too. What needs Node says so
 * when it is called. Nothing that this file reaches imports a module of Node.
 */

import './runtime/page/platform.js'

export { checkNeuron } from './check-neuron.js'
export { block, residual, sequential } from './containers.js'
export * from './data/page.js'
export { evaluateNet } from './edge/accuracy.js'
export { netHeader } from './edge/header.js'
export { netInfo, openNet } from './edge/net.js'
export { readState } from './edge/state.js'
export { SpikewasmError } from './errors.js'
export * from './layers/index.js'
export * from './loss/index.js'
export * from './models/index.js'
export { compile } from './network.js'
export * as neurons from './neurons.js'
export * as ops from './ops/index.js'
export {
  constant,
  cosine,
  linearWarmup,
  oneCycle,
  perStep,
  plateau,
  stepDecay,
} from './optimizer/index.js'
export * from './optimizer/kinds.js'
export { checkpoint, csvLogger, dashboard, loadNir, networkFromNir } from './page/absent.js'
export { exportWasm } from './page/export.js'
export { loadModel, networkFromJSON } from './page/load.js'
export { Model } from './page/model.js'
export { earlyStopping } from './train/callbacks/early-stopping.js'
export { progress } from './train/callbacks/progress.js'
export { comparableLr } from './train/comparable-lr.js'
