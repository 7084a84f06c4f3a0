/** Functions that make cells, as a page has them. */

import { cellKind } from '../nn/layers/cell.js'
import { neuronKind } from '../nn/layers/neuron.js'
import * as spiking from '../nn/layers/spiking.js'
import { cell as cellPlan } from '../plan/layers/cell.js'
import { neuron as neuronPlan } from '../plan/layers/neuron.js'
import { registerCells, registerLayer } from './parts.js'

function useCells(): void {
  registerLayer('cell', { kind: cellKind, plan: cellPlan })
  registerLayer('neuron', { kind: neuronKind, plan: neuronPlan })
  registerCells({ spiking: spiking.spiking })
}

/** A function whose layers are cells, or run as cells. */
const ofCells = <F extends (...of: never[]) => object>(make: F): F =>
  ((...of: never[]) => {
    useCells()
    return make(...of)
  }) as unknown as F

export const plif = /* @__PURE__ */ ofCells(spiking.plif)
export const alif = /* @__PURE__ */ ofCells(spiking.alif)
export const cubaLif = /* @__PURE__ */ ofCells(spiking.cubaLif)
export const integrator = /* @__PURE__ */ ofCells(spiking.integrator)
export const leakyIntegrator = /* @__PURE__ */ ofCells(spiking.leakyIntegrator)
export const recurrent = /* @__PURE__ */ ofCells(spiking.recurrent)
