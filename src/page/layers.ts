/**
 * In a page this stands for `nn/layers/index.ts`: the functions that make layers, each with what
 * else belongs to its kind. A bundle holds the kinds whose functions are called. What few pages
 * call is in files of its own: a bundler that splits a page may load these later.
 */

import * as adaptiveAvgPool1ds from '../nn/layers/adaptive-avg-pool1d.js'
import * as adaptiveAvgPool2ds from '../nn/layers/adaptive-avg-pool2d.js'
import * as avgPool1ds from '../nn/layers/avg-pool1d.js'
import * as avgPool2ds from '../nn/layers/avg-pool2d.js'
import * as batchNorm2ds from '../nn/layers/batch-norm.js'
import * as batchNorm1ds from '../nn/layers/batch-norm1d.js'
import * as conv1ds from '../nn/layers/conv1d.js'
import * as conv2ds from '../nn/layers/conv2d.js'
import * as delays from '../nn/layers/delay.js'
import * as dropouts from '../nn/layers/dropout.js'
import * as flattens from '../nn/layers/flatten.js'
import * as groupNorms from '../nn/layers/group-norm.js'
import * as identitys from '../nn/layers/identity.js'
import * as layerNorms from '../nn/layers/layer-norm.js'
import * as linears from '../nn/layers/linear.js'
import * as maxPool1ds from '../nn/layers/max-pool1d.js'
import * as maxPool2ds from '../nn/layers/max-pool2d.js'
import * as relus from '../nn/layers/relu.js'
import * as scales from '../nn/layers/scale.js'
import * as stabilizedLifs from '../nn/layers/stabilized-lif.js'
import * as sumPool1ds from '../nn/layers/sum-pool1d.js'
import * as sumPool2ds from '../nn/layers/sum-pool2d.js'
import * as timeMeans from '../nn/layers/time-mean.js'
import { adaptiveAvgPool1d as adaptiveAvgPool1dPlan } from '../plan/layers/adaptive-avg-pool1d.js'
import { adaptiveAvgPool2d as adaptiveAvgPool2dPlan } from '../plan/layers/adaptive-avg-pool2d.js'
import { avgPool1d as avgPool1dPlan } from '../plan/layers/avg-pool1d.js'
import { avgPool2d as avgPool2dPlan } from '../plan/layers/avg-pool2d.js'
import { batchNorm2d as batchNorm2dPlan } from '../plan/layers/batch-norm.js'
import { batchNorm1d as batchNorm1dPlan } from '../plan/layers/batch-norm1d.js'
import { conv1d as conv1dPlan } from '../plan/layers/conv1d.js'
import { conv2d as conv2dPlan } from '../plan/layers/conv2d.js'
import { delay as delayPlan } from '../plan/layers/delay.js'
import { dropout as dropoutPlan } from '../plan/layers/dropout.js'
import { flatten as flattenPlan } from '../plan/layers/flatten.js'
import { groupNorm as groupNormPlan } from '../plan/layers/group-norm.js'
import { identity as identityPlan } from '../plan/layers/identity.js'
import { layerNorm as layerNormPlan } from '../plan/layers/layer-norm.js'
import { linear as linearPlan } from '../plan/layers/linear.js'
import { maxPool1d as maxPool1dPlan } from '../plan/layers/max-pool1d.js'
import { maxPool2d as maxPool2dPlan } from '../plan/layers/max-pool2d.js'
import { relu as reluPlan } from '../plan/layers/relu.js'
import { scale as scalePlan } from '../plan/layers/scale.js'
import { stabilizedLif as stabilizedLifPlan } from '../plan/layers/stabilized-lif.js'
import { sumPool1d as sumPool1dPlan } from '../plan/layers/sum-pool1d.js'
import { sumPool2d as sumPool2dPlan } from '../plan/layers/sum-pool2d.js'
import { timeMean as timeMeanPlan } from '../plan/layers/time-mean.js'
import { withParts } from './parts.js'

export * from './cells.js'
export * from './equations.js'

export const adaptiveAvgPool1d = /* @__PURE__ */ withParts(
  adaptiveAvgPool1ds.adaptiveAvgPool1d,
  adaptiveAvgPool1ds.adaptiveAvgPool1dKind,
  adaptiveAvgPool1dPlan,
)
export const adaptiveAvgPool2d = /* @__PURE__ */ withParts(
  adaptiveAvgPool2ds.adaptiveAvgPool2d,
  adaptiveAvgPool2ds.adaptiveAvgPool2dKind,
  adaptiveAvgPool2dPlan,
)
export const avgPool1d = /* @__PURE__ */ withParts(
  avgPool1ds.avgPool1d,
  avgPool1ds.avgPool1dKind,
  avgPool1dPlan,
)
export const avgPool2d = /* @__PURE__ */ withParts(
  avgPool2ds.avgPool2d,
  avgPool2ds.avgPool2dKind,
  avgPool2dPlan,
)
export const batchNorm1d = /* @__PURE__ */ withParts(
  batchNorm1ds.batchNorm1d,
  batchNorm1ds.batchNorm1dKind,
  batchNorm1dPlan,
)
export const batchNorm2d = /* @__PURE__ */ withParts(
  batchNorm2ds.batchNorm2d,
  batchNorm2ds.batchNorm2dKind,
  batchNorm2dPlan,
)
export const conv1d = /* @__PURE__ */ withParts(conv1ds.conv1d, conv1ds.conv1dKind, conv1dPlan)
export const conv2d = /* @__PURE__ */ withParts(conv2ds.conv2d, conv2ds.conv2dKind, conv2dPlan)
export const delay = /* @__PURE__ */ withParts(delays.delay, delays.delayKind, delayPlan)
export const dropout = /* @__PURE__ */ withParts(
  dropouts.dropout,
  dropouts.dropoutKind,
  dropoutPlan,
)
export const flatten = /* @__PURE__ */ withParts(
  flattens.flatten,
  flattens.flattenKind,
  flattenPlan,
)
export const groupNorm = /* @__PURE__ */ withParts(
  groupNorms.groupNorm,
  groupNorms.groupNormKind,
  groupNormPlan,
)
export const identity = /* @__PURE__ */ withParts(
  identitys.identity,
  identitys.identityKind,
  identityPlan,
)
export const layerNorm = /* @__PURE__ */ withParts(
  layerNorms.layerNorm,
  layerNorms.layerNormKind,
  layerNormPlan,
)
export const linear = /* @__PURE__ */ withParts(linears.linear, linears.linearKind, linearPlan)
export const maxPool1d = /* @__PURE__ */ withParts(
  maxPool1ds.maxPool1d,
  maxPool1ds.maxPool1dKind,
  maxPool1dPlan,
)
export const maxPool2d = /* @__PURE__ */ withParts(
  maxPool2ds.maxPool2d,
  maxPool2ds.maxPool2dKind,
  maxPool2dPlan,
)
export const relu = /* @__PURE__ */ withParts(relus.relu, relus.reluKind, reluPlan)
export const scale = /* @__PURE__ */ withParts(scales.scale, scales.scaleKind, scalePlan)
export const stabilizedLif = /* @__PURE__ */ withParts(
  stabilizedLifs.stabilizedLif,
  stabilizedLifs.stabilizedLifKind,
  stabilizedLifPlan,
)
export const sumPool1d = /* @__PURE__ */ withParts(
  sumPool1ds.sumPool1d,
  sumPool1ds.sumPool1dKind,
  sumPool1dPlan,
)
export const sumPool2d = /* @__PURE__ */ withParts(
  sumPool2ds.sumPool2d,
  sumPool2ds.sumPool2dKind,
  sumPool2dPlan,
)
export const timeMean = /* @__PURE__ */ withParts(
  timeMeans.timeMean,
  timeMeans.timeMeanKind,
  timeMeanPlan,
)
