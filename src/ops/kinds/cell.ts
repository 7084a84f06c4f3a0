/** Cells, forward and back through time. */

import { describe, expect } from '../../errors.js'
import { cellKind } from '../../layers/cells.js'
import type { Cell } from '../../layers/index.js'
import { isSpiking } from '../../nn/cell.js'
import type { OpBuilder, Planned } from '../builder.js'
import { backwardOf, forwardOf, jobOf, type NeuronJob } from '../neuron-job.js'
import { plainCurrent } from '../neurons.js'
import { operation } from '../operation.js'
import { type Selecting, selecting } from '../selecting.js'
import { extentOf } from '../shapes.js'
import type { Fixed, TimedInput } from '../types.js'

/** What cells are, and the shape of what they read. */
export interface CellOpOptions {
  /** Their input: [B, T, C, H, W] or [B, T, C]. */
  readonly input: readonly number[]
  /** A layer: `cubaLif()`, `alif()`, `leakyIntegrator()`, `recurrent(lif())`, … */
  readonly cell: Cell
}

/** What `ops.cell` can compute. */
export type CellResults = {
  /** 0 or 1 [B, T, …], of cells that spike. */
  readonly spikes: Uint8Array
  /** Potentials [B, T, …], of those that do not. */
  readonly potentials: Float32Array
  /** The factor of rate-based backpropagation, […]. */
  readonly eligibilities: Float32Array
}
type Name = keyof CellResults

/** `ops.cell`. */
export type CellTypes = Selecting<
  TimedInput,
  [input: Float32Array, ...parameters: Float32Array[]],
  CellResults,
  {
    /** [B][H][W][T][C]. */
    readonly input: Float32Array
  },
  readonly ['spikes']
>

function jobOfCell(o: OpBuilder, { cell, input }: CellOpOptions): NeuronJob {
  const what = `${o.op}.cell`
  expect(
    typeof cell === 'object' && cell !== null && cell.kind === 'cell',
    () => `${what} must be a layer such as cubaLif() or leakyIntegrator(), got ${describe(cell)}`,
  )
  const { kind: _, ...fields } = cell
  cellKind.again(fields)
  const extent = extentOf(`${o.op}.input`, input, 'always')
  return jobOf(o, cellKind, cell, plainCurrent(o, extent), what)
}

function build(o: OpBuilder, options: CellOpOptions, outputs: ReadonlySet<Name>): Planned {
  const job = jobOfCell(o, options)
  const { cell } = options
  const both = ['spikes', 'potentials'] as const
  const [own, other] = isSpiking(cell) ? both : both.toReversed()
  expect(
    !outputs.has(other),
    () => `${o.op}.outputs: ${cell.type}() gives ${own}, got '${other}'; use outputs: ['${own}']`,
  )
  return forwardOf(o, job, own, outputs)
}

/**
 * Cells over all time steps, as a layer has them: neurons with constants of each channel or neuron,
 * on synaptic currents, with an adaptive threshold, recurrent ones, and integrators. The option
 * `cell` is the layer; docs/networks.md has the equations.
 *
 * Arguments of `run`: input [B, T, …], and what the layer learns, in the order of its state dict:
 * w, v_threshold, w_syn, beta, w_adaptation, recurrent.weight (or recurrent.V), recurrent.bias.
 * Result: what `outputs` names; `['spikes']` by default, which integrators do not have.
 */
export const cell = selecting<CellOpOptions, CellResults, CellTypes>(
  'cell',
  ['input', 'cell'],
  ['spikes', 'potentials', 'eligibilities'],
  ['spikes'],
  build,
)

/** Gradients by name: `inputGradient`, and that of each parameter, such as `wGradient`. */
export type CellGradients = Readonly<Record<string, Float32Array>>

/** `ops.cellBackward`: the output's gradient, and what `ops.cell` reads. */
export type CellBackwardTypes = Fixed<
  TimedInput,
  [delta: Float32Array, input: Float32Array, ...parameters: Float32Array[]],
  Float32Array | CellGradients,
  {
    /** [B][H][W][T][C]. */
    readonly input: Float32Array
    /** [B][H][W][T][C]. */
    readonly delta: Float32Array
  }
>

/**
 * The gradients of `ops.cell` through time (BPTT) from that of its spikes or potentials.
 *
 * Arguments of `run`: delta [B, T, …], then those of `ops.cell`. Result: the input's gradient
 * [B, T, …]; where there are parameters { inputGradient, … } with `wGradient`,
 * `v_thresholdGradient`, `recurrent.weightGradient`, … as well.
 */
export const cellBackward = operation<CellOpOptions, CellBackwardTypes>(
  'cellBackward',
  ['input', 'cell'],
  (o, options) => backwardOf(o, jobOfCell(o, options)),
)
