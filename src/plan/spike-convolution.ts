/** Event-driven forward convolution: what it can read, and its records. */

import { ConvWord, Op } from '../../assembly/opcodes.js'
import { type Geometry, shapeFields } from './convolution.js'
import { blockWidth } from './layout.js'
import type { ProgramBuilder } from './program.js'
import { wordsOf } from './records/schema.js'
import { spikeForward } from './records/spike-forward.js'
import { spikeForwardGeometry, spikeListsFit, spikePasses } from './spike-geometry.js'
import type { FloatTensor, Pool, SpikeTensor } from './tensors.js'
import { type Buffer, type Reference, ref, type Words } from './words.js'

/** Whether the event-driven kernel can run this convolution. */
export function spikesFit(g: Geometry): boolean {
  return spikeListsFit({ kernelH: g.kernel[0], kernelW: g.kernel[1], inC: g.inC })
}

/** @param withMoments have the moments of the output written for a BatchNorm; returns where. */
export function emitSpikes(
  b: ProgramBuilder,
  g: Geometry,
  steps: number,
  spikes: { sources: SpikeTensor[]; pool: Pool; scale: number },
  out: Buffer,
  weight: Reference,
  bias: Reference | 0,
  name: string,
  withMoments = false,
): FloatTensor['moments'] {
  const { sources, pool, scale } = spikes
  const [, sourceH, sourceW] = sources[0].shape
  const shape = {
    images: g.images,
    timeSteps: steps,
    inH: g.inShape[1],
    inW: g.inShape[2],
    inC: g.inC,
    outH: g.outShape[1],
    outW: g.outShape[2],
    outC: g.outC,
    blockWidth: blockWidth(g.outShape[0]),
    kernelH: g.kernel[0],
    kernelW: g.kernel[1],
    strideH: g.stride[0],
    sourceCount: sources.length,
    poolKernelH: pool.kernel[0],
    poolKernelW: pool.kernel[1],
  }
  const rowWise = spikeForwardGeometry(shape)
  const passes = spikePasses(shape)
  const { listBytes, pairLists, weightedLists, blocksPerUnit } = passes[0].geometry
  const units =
    rowWise?.momentSlots ?? passes.reduce((sum, { geometry }) => sum + geometry.momentSlots, 0)
  const slotBytes = 4 * g.outC * 4
  const moments = withMoments ? b.buffer(`${name} moments`, units * slotBytes) : undefined
  const maskBytes = sourceH * sourceW * g.inC
  const fields = {
    ...shapeFields(g, steps),
    sources: sources.map((s) => ({ masks: s.masks })),
    sourceCount: sources.length,
    sourceH,
    sourceW,
    planeBytes: g.images * maskBytes,
    scale,
    poolKernelH: pool.kernel[0],
    poolKernelW: pool.kernel[1],
    poolStrideH: pool.stride[0],
    poolStrideW: pool.stride[1],
    poolPadH: pool.padding[0],
    poolPadW: pool.padding[1],
    weight,
    bias: bias || undefined,
    out,
    listBytes,
    pairLists,
    weightedLists,
    blocksPerUnit,
  }
  // The records of lists and of sums, not yet by name.
  const words: Words = wordsOf(spikeForward, {
    ...fields,
    group: 0,
    rowsPerUnit: 0,
    momentPixels: 0,
  })
  const groups = Array.from({ length: Math.ceil(steps / 4) }, (_, group) => ({
    ...words,
    [ConvWord.Group]: group,
  }))
  if (rowWise) {
    const { units, rowsPerUnit, momentPixels, scratchBytes } = rowWise
    for (const [group] of groups.entries())
      b.emitWords(
        Op.SpikeForward,
        units,
        wordsOf(spikeForward, { ...fields, group, rowsPerUnit, moments, momentPixels }),
        scratchBytes,
      )
  } else {
    const lists = b.buffer(`${name} lists`, passes[0].geometry.listsBytes)
    const pointers = b.buffer(`${name} list pointers`, passes[0].geometry.listPointersBytes)
    const outBytes = g.outShape[1] * g.outShape[2] * steps * g.outC * 4
    let slot = 0
    for (const { firstImage, shape: part, geometry } of passes) {
      const pass: Words = {
        [ConvWord.Images]: part.images,
        [ConvWord.Out]: ref(out, firstImage * outBytes),
        [ConvWord.Sources]: {
          table: sources.map((s) => ({ 0: ref(s.masks, firstImage * maskBytes) })),
          entryBytes: 8,
        },
        [ConvWord.Lists]: ref(lists),
        [ConvWord.ListPointers]: ref(pointers),
        [ConvWord.RowsPerUnit]: geometry.rowsPerUnit,
        [ConvWord.PixelsPerUnit]: geometry.pixelsPerUnit,
        [ConvWord.Moments]: moments ? ref(moments, slot * slotBytes) : 0,
        [ConvWord.MomentPixels]: geometry.momentPixels,
      }
      for (const group of groups) {
        b.emitWords(
          Op.SpikeLists,
          geometry.listUnits,
          { ...group, ...pass },
          geometry.listScratchBytes,
        )
        b.emitWords(
          Op.SpikeConv,
          geometry.convUnits,
          { ...group, ...pass },
          geometry.convScratchBytes,
          geometry.convGroups,
        )
      }
      slot += geometry.momentSlots
    }
  }
  return moments && { buffer: moments, units }
}
