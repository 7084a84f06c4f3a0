/** Functions that make cells, as a page has them. */

import type { Cell, Layer } from '../nn/layers/index.js'
import { cellKind } from '../nn/layers/presets.js'
import * as spiking from '../nn/layers/spiking.js'
import { neurons } from '../plan/layers/neurons.js'
import { withParts } from './parts.js'

const ofCells = <F extends (...of: never[]) => Layer>(make: F): F =>
  withParts<Cell, F>(make, cellKind, neurons)

export const lif = /* @__PURE__ */ ofCells(spiking.lif)
export const integrateAndFire = /* @__PURE__ */ ofCells(spiking.integrateAndFire)
export const plif = /* @__PURE__ */ ofCells(spiking.plif)
export const alif = /* @__PURE__ */ ofCells(spiking.alif)
export const cubaLif = /* @__PURE__ */ ofCells(spiking.cubaLif)
export const integrator = /* @__PURE__ */ ofCells(spiking.integrator)
export const leakyIntegrator = /* @__PURE__ */ ofCells(spiking.leakyIntegrator)
export { recurrent } from '../nn/layers/spiking.js'
