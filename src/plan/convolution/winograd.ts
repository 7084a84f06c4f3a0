/** Gradients of 3×3 convolutions of stride 1 by Winograd, with one row per pixel or one a step. */

import { budgets } from '../budgets.js'
import { emitPartialSum } from '../partial-sum.js'
import type { ProgramBuilder } from '../program.js'
import {
  winogradInputGradient as inputGradient,
  winogradInputTransform as inputTransform,
  winogradKernelTransform as kernelTransform,
  winogradWeightGradient as weightGradient,
  winogradWeightTransform as weightTransform,
} from '../records/winograd.js'
import { type Reference, ref } from '../words.js'
import { emitSized, inputBytes, kRowsOf, outputBytes } from './geometry.js'
import {
  type InputGradient,
  type Strategy,
  type Task,
  type WeightGradient,
  withInput,
} from './strategy.js'
import {
  ownTilesPlan,
  sharedTilesPlan,
  winogradApplies,
  winogradInputPlan,
  winogradPays,
} from './winograd-geometry.js'

const fits = ({ g }: Task): boolean => winogradApplies(g) && winogradPays(g)

/** Of a weight's gradient: as long as lists of so many of the neurons take. */
const COST = 0.16

export function emitInputGradient(b: ProgramBuilder, job: InputGradient): void {
  const { name, g, steps, delta, weight, out } = job
  const plan = winogradInputPlan(g, steps)
  const { kernelFirst, rowsPerUnit } = plan
  const scratch = b.buffer(`${name} winograd`, plan.sharedBytes)
  for (const { firstImage, images, planeBytes, transformUnits, units } of plan.passes) {
    const part = {
      ...{ g: { ...g, images }, steps, weight },
      delta: ref(delta, firstImage * outputBytes(g) * steps),
      out: ref(out, firstImage * inputBytes(g) * steps),
    }
    if (kernelFirst) emitSized(b, part, kernelTransform, transformUnits, { scratch })
    else emitSized(b, part, inputTransform, transformUnits, { scratch, planeBytes })
    const factor = kernelFirst
      ? { delta: part.delta, weight: undefined }
      : { weight, delta: undefined, planeBytes }
    emitSized(b, part, inputGradient, units, { ...factor, kernelFirst, scratch, rowsPerUnit })
  }
}

export const winogradInput: Strategy<InputGradient> = {
  name: 'winograd',
  fits,
  // Beside the direct kernels' 1, in multiplications.
  cost: () => 0.25,
  emit: emitInputGradient,
}

/** `input.address` as a place. */
function placeOf({ name, input }: WeightGradient): Reference {
  if (typeof input.address === 'number') throw new Error(`${name}: the input has no address`)
  return input.address
}

export function emitOwnTiles(
  b: ProgramBuilder,
  job: WeightGradient,
  plan: NonNullable<ReturnType<typeof ownTilesPlan>>,
): void {
  const { name, g, out, accumulate } = job
  const { splits } = plan
  const partial = b.buffer(`${name} winograd`, plan.sharedBytes)
  emitSized(b, job, weightGradient, splits, {
    ...plan,
    in: placeOf(job),
    partial,
    scale: job.input.scale ?? 1,
    out: undefined,
    accumulate: undefined,
  })
  const sum = { outC: g.outC, partial, splits, out, accumulate }
  emitPartialSum(b, kRowsOf(g), sum, budgets.reduceRows)
}

export function emitSharedTiles(
  b: ProgramBuilder,
  job: WeightGradient,
  plan: ReturnType<typeof sharedTilesPlan>,
): void {
  const { name, g, steps, delta, accumulate } = job
  const { buffer, offset } = placeOf(job)
  const shared = {
    ...plan,
    scratch: b.buffer(`${name} winograd`, plan.sharedBytes),
  }
  for (const { firstImage, images, planeBytes, transformUnits, units } of plan.passes) {
    const part = { ...job, g: { ...g, images } }
    emitSized(b, part, weightTransform, transformUnits, {
      ...shared,
      in:
        job.writeInput?.(firstImage, images) ??
        ref(buffer, offset + firstImage * inputBytes(g) * steps),
      delta: ref(delta, firstImage * outputBytes(g) * steps),
      planeBytes,
      unitGroups: 2,
    })
    emitSized(b, part, weightGradient, units, {
      ...shared,
      planeBytes,
      scale: job.input.scale ?? 1,
      delta: undefined,
      accumulate: accumulate || firstImage > 0,
    })
  }
}

export const winogradWeight: Strategy<WeightGradient> = {
  name: 'winograd',
  fits: (task) => fits(task) && !task.indirect && !task.still,
  cost: () => COST,
  emit(b, job) {
    const own = ownTilesPlan(job.g, job.steps)
    if (own) emitOwnTiles(b, withInput(job), own)
    else emitSharedTiles(b, job, sharedTilesPlan(job.g, job.steps))
  },
}
