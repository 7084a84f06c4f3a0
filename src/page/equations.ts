/** Functions that make layers of equations, as a page has them. */

import * as equations from '../nn/layers/equations.js'
import type { Layer } from '../nn/layers/index.js'
import * as membranes from '../nn/layers/membranes.js'
import { neurons } from '../plan/layers/neurons.js'
import { withParts } from './parts.js'

/** A function whose layers are of equations. */
const ofEquations = <F extends (...of: never[]) => Layer>(make: F): F =>
  withParts<equations.Equations, F>(make, equations.equationsKind, neurons)

export const neuron = /* @__PURE__ */ ofEquations(equations.neuron)
export const elementwise = /* @__PURE__ */ ofEquations(equations.elementwise)
export const adex = /* @__PURE__ */ ofEquations(membranes.adex)
export const izhikevich = /* @__PURE__ */ ofEquations(membranes.izhikevich)
export const quadraticIntegrateAndFire = /* @__PURE__ */ ofEquations(
  membranes.quadraticIntegrateAndFire,
)
export const exponentialIntegrateAndFire = /* @__PURE__ */ ofEquations(
  membranes.exponentialIntegrateAndFire,
)
export const resonateAndFire = /* @__PURE__ */ ofEquations(membranes.resonateAndFire)
