/** Plans of neurons, of what reads their spikes through time, and of rectified units. */
import { alif, recurrent } from '../../../src/index.js'
import * as ops from '../../../src/ops/index.js'
import type { Example } from './example.js'

const input = [2, 3, 5, 4, 4]
const own = {
  text: 'tau > 1; u = u - u/tau + x; spike = u > 1; u = u - spike',
  parameters: { tau: 2 },
  learn: ['tau'],
}
const swish = { text: 'x * sigmoid(b*x)', parameters: { b: [1, 2, 3, 4, 5] }, learn: ['b'] }

export const examples: readonly Example[] = [
  { name: 'lif', plan: () => ops.lif.plan({ input }) },
  { name: 'stabilizedLif', plan: () => ops.stabilizedLif.plan({ input: input.slice(1) }) },
  {
    name: 'lifBackward, rate',
    plan: () => ops.lifBackward.plan({ input: input.slice(1), mode: 'rate' }),
  },
  { name: 'lifBackward, online', plan: () => ops.lifBackward.plan({ input, mode: 'online' }) },
  { name: 'lifBackward, time', plan: () => ops.lifBackward.plan({ input, mode: 'time' }) },
  { name: 'cell', plan: () => ops.cell.plan({ input, cell: recurrent(alif({ learn: ['tau'] })) }) },
  {
    name: 'cellBackward',
    plan: () => ops.cellBackward.plan({ input, cell: recurrent(alif({ learn: ['tau'] })) }),
  },
  { name: 'neuron', plan: () => ops.neuron.plan({ input, ...own }) },
  { name: 'neuronBackward', plan: () => ops.neuronBackward.plan({ input, ...own }) },
  { name: 'elementwise', plan: () => ops.elementwise.plan({ input, ...swish }) },
  { name: 'elementwiseBackward', plan: () => ops.elementwiseBackward.plan({ input, ...swish }) },
  { name: 'timeSum', plan: () => ops.timeSum.plan({ input }) },
  { name: 'trace', plan: () => ops.trace.plan({ input }) },
  { name: 'traceGradient', plan: () => ops.traceGradient.plan({ input }) },
  { name: 'dropout of spikes', plan: () => ops.dropout.plan({ input, spikes: true }) },
  { name: 'dropout of floats', plan: () => ops.dropout.plan({ input }) },
  { name: 'dropoutBackward', plan: () => ops.dropoutBackward.plan({ input }) },
  { name: 'relu', plan: () => ops.relu.plan({ input }) },
  { name: 'reluBackward', plan: () => ops.reluBackward.plan({ input }) },
]
