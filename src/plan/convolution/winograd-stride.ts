/** Input gradient of 3×3 convolutions of stride 2 by Winograd's kernels. */

import { Winograd, WinogradStride } from '../../../assembly/opcodes.js'
import { budgets } from '../budgets.js'
import type { ProgramBuilder } from '../program.js'
import * as records from '../records/winograd.js'
import { emitSized, type Geometry } from './geometry.js'
import type { InputGradient, Strategy } from './strategy.js'
import { tileRows, winogradApplies } from './winograd.js'

const tiles = (size: number): number => Math.ceil(size / WinogradStride.Tile)

/** Whether the kernels can run the convolution at all: 3×3, stride 2, padding 1. */
export const strideApplies = (g: Geometry): boolean => winogradApplies(g, WinogradStride.Stride)

/** Whether they beat the direct kernel: enough channels, and tiles that are mostly image. */
export function stridePays(g: Geometry): boolean {
  const used = (g.outH * g.outW) / (WinogradStride.Tile ** 2 * tiles(g.outH) * tiles(g.outW))
  return Math.min(g.inC, g.outC) >= 8 && used >= 0.7
}

export function stridePlan(g: Geometry, steps: number) {
  const { images, inC, outC, blockWidth } = g
  const across = tiles(g.outW)
  const rows = images * tiles(g.outH) * steps
  const blocks = Math.ceil(inC / Winograd.Block)
  const rowsPerUnit = tileRows(budgets.strideTiles, across, rows / budgets.strideUnits)
  return {
    /** Tile rows of a unit. */
    rowsPerUnit,
    units: Math.ceil(rows / rowsPerUnit),
    kernelUnits: blocks * (outC / blockWidth),
    /** Bytes of the transformed kernels. */
    kernelBytes:
      blocks * WinogradStride.Kernels * (Winograd.BlockBytes * outC + Winograd.PlanePadding),
  }
}

export function emitStrideGradient(
  b: ProgramBuilder,
  job: InputGradient,
  { rowsPerUnit, units, kernelUnits, kernelBytes }: ReturnType<typeof stridePlan>,
): void {
  const scratch = b.buffer(`${job.name} winograd`, kernelBytes)
  emitSized(b, job, records.winogradStrideKernels, kernelUnits, { scratch })
  emitSized(b, job, records.winogradStrideGradient, units, { scratch, rowsPerUnit })
}

/** With one row per pixel the direct kernel is as fast, and keeps its bits. */
export const winogradStride: Strategy<InputGradient> = {
  name: 'winograd stride',
  fits: ({ g, steps }) => steps > 1 && strideApplies(g) && stridePays(g),
  // Beside the direct kernels' 1, in multiplications.
  cost: () => WinogradStride.Planes / 144,
  emit: (b, job) => emitStrideGradient(b, job, stridePlan(job.g, job.steps)),
}
