/** Outputs as the user sees them, and their gradients, which programs read. */

import { describe, fail } from '../../base/errors.js'
import type { OutputProbe } from '../../compile/cuts.js'
import { deltaRows } from '../../compile/emit/loss.js'
import { sizeOf } from '../../network/value.js'
import type { CustomLoss, OutputArrays } from '../../nn/loss/custom.js'
import { type Arena, floatsAt } from '../memory/arena.js'

/** Outputs of a call. */
export type Probes = readonly OutputProbe[]

/** What a loss function gets. */
export type AnyBatch = Parameters<CustomLoss['evaluate']>[0]

/** Float32 or float64. */
export type Gradient = Float32Array | Float64Array

/** Sizes of an output of so many samples: [B, C], or [steps, B, C]. */
export const shapeOf = (
  { ofSteps, steps, classes }: OutputProbe,
  images: number,
): readonly number[] => (ofSteps ? [steps, images, classes] : [images, classes])

/** One array, or of several outputs a record by their names. */
function byName<A>(probes: Probes, of: (probe: OutputProbe) => A): OutputArrays<A> {
  if (probes.length === 1) return of(probes[0])
  return Object.fromEntries(probes.map((probe) => [probe.name, of(probe)]))
}

/** Copies of the outputs of a call, and their sizes, those of the last one of several. */
export async function outputsOf(
  arena: Arena,
  probes: Probes,
): Promise<Pick<AnyBatch, 'outputs' | 'shape'>> {
  const { batchSize } = arena.plan.options
  await arena.refresh?.(probes.map(({ ofSteps, logits, mean }) => (ofSteps ? logits : mean)))
  const outputs = byName(probes, (probe) => outputOf(arena, probe, batchSize))
  return { outputs, shape: shapeOf(probes[probes.length - 1], batchSize) }
}

function outputOf(arena: Arena, probe: OutputProbe, images: number): Float32Array {
  const { ofSteps, mean, meanScale, logits, rows, stored, classes, steps } = probe
  const [place, own, count, scale] = ofSteps ? [logits, rows, steps, 1] : [mean, 1, 1, meanScale]
  const from = floatsAt(arena, place.address, images * stored * own)
  const out = new Float32Array(count * images * classes)
  for (let t = 0; t < count; t++)
    for (let b = 0; b < images; b++)
      for (let c = 0; c < classes; c++)
        out[(t * images + b) * classes + c] =
          from[(b * own + (own > 1 ? t : 0)) * stored + c] * scale
  return out
}

/**
 * Writes what a gradient is of the outputs where the backward pass reads it: as a built-in loss
 * would, whose factor 1/n is a float32, so that both have the same bits.
 *
 * @param what names the gradient in messages
 * @param valid samples that count; default: all
 * @throws SpikewasmError for another type or size, and for what is not finite
 */
export function writeGradients(
  arena: Arena,
  probes: Probes,
  given: unknown,
  what: string,
  valid = arena.plan.options.batchSize,
): void {
  const { batchSize } = arena.plan.options
  const isOne = probes.length === 1
  const gradients = probes.map((probe) => {
    const { name } = probe
    const found = isOne ? given : (given as Record<string, unknown> | null | undefined)?.[name]
    return checkGradientOf(probe, found, batchSize, isOne ? what : `${what} of output ${name}`)
  })
  const names = Object.keys(isOne ? {} : (given as object))
  if (names.length > probes.length) fail(`${what} has other names than the outputs, got ${names}`)
  for (const [i, probe] of probes.entries())
    writeGradient(arena, probe, gradients[i], batchSize, valid)
}

function checkGradientOf(
  probe: OutputProbe,
  gradient: unknown,
  images: number,
  what: string,
): Gradient {
  const shape = shapeOf(probe, images)
  const isFloats = gradient instanceof Float32Array || gradient instanceof Float64Array
  if (!isFloats || gradient.length !== sizeOf(shape))
    fail(
      `${what} must be a Float32Array or Float64Array of [${shape.join(', ')}] = ` +
        `${sizeOf(shape)} numbers, as the outputs are, got ${describe(gradient)}` +
        (isFloats ? ` of ${gradient.length}` : ''),
    )
  const wrong = (gradient as Gradient).findIndex((x: number) => !Number.isFinite(Math.fround(x)))
  if (wrong >= 0) {
    const { classes } = probe
    const [sample, output] = [Math.floor(wrong / classes) % images, wrong % classes]
    fail(
      `${what} must be finite as float32, got ${(gradient as Gradient)[wrong]} for sample ` +
        `${sample}, output ${output}`,
    )
  }
  return gradient as Gradient
}

function writeGradient(
  arena: Arena,
  probe: OutputProbe,
  gradient: Gradient,
  images: number,
  valid: number,
): void {
  const { stored, classes, ofSteps, steps, gradientScale, meanScale, delta } = probe
  if (!delta) return
  const rows = deltaRows(probe)
  const out = floatsAt(arena, delta.address, images * rows * stored)
  const terms = ofSteps ? valid * steps : valid
  // Where the sum lies in the place of the mean, the gradient is that of the sum.
  const sumScale = ofSteps ? 1 : meanScale
  const scale = ((Math.fround(gradientScale) * images) / valid) * sumScale
  out.fill(0)
  for (let b = 0; b < valid; b++)
    for (let c = 0; c < classes; c++)
      for (let row = 0; row < rows; row++) {
        // Where logits are the same at every step, so many rows of the gradient belong to one.
        let sum = 0
        for (let t = row; t < (ofSteps ? steps : 1); t += rows)
          sum += gradient[(t * images + b) * classes + c]
        out[(b * rows + row) * stored + c] = sum * terms * scale
      }
  arena.wrote?.(delta.address, delta.bytes)
}
