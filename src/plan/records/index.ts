/** The schema of each operation. */

import { Op } from '../../../assembly/opcodes.js'
import { neuron } from './neuron.js'
import type { Schema } from './schema.js'
import { spikeForward } from './spikes.js'

export const schemas: Partial<Readonly<Record<Op, Schema>>> = {
  [Op.Neuron]: neuron,
  [Op.SpikeForward]: spikeForward.schema,
}
