/** Convolutions on spikes for tests of kernels, and a naive walk over their fields. */

import type { SpikeShape } from '../../src/compile/convolution/spike-geometry.js'

type Mutable<V> = { -readonly [K in keyof V]: V[K] }

/** A convolution on spikes, for tests of kernels. */
export interface Case extends SpikeShape {
  padH: number
  padW: number
  strideW: number
  sourceH: number
  sourceW: number
  poolStrideH: number
  poolStrideW: number
  poolPadH: number
  poolPadW: number
  /** Part of the masks that are not silent. */
  active: number
  bias: boolean
  scale: number
}

/**
 * A convolution; what is not given is a 3×3 kernel over 5×6 pixels, padded, without pooling. Output
 * sizes follow.
 */
export function makeCase(options: Partial<Case>): Case {
  const shape: Mutable<Case> = {
    images: 2,
    timeSteps: 4,
    inH: 5,
    inW: 6,
    inC: 8,
    outH: 0,
    outW: 0,
    outC: 16,
    blockWidth: 16,
    kernelH: 3,
    kernelW: 3,
    strideH: 1,
    strideW: 1,
    padH: 1,
    padW: 1,
    sourceCount: 1,
    sourceH: 0,
    sourceW: 0,
    poolKernelH: 1,
    poolKernelW: 1,
    poolStrideH: 1,
    poolStrideW: 1,
    poolPadH: 0,
    poolPadW: 0,
    active: 0.4,
    bias: true,
    scale: 1,
    ...options,
  }
  // The largest source that pools to the input, so that some of its last rows may lie in no window.
  shape.sourceH ||= shape.inH * shape.poolStrideH + shape.poolKernelH - 1 - 2 * shape.poolPadH
  shape.sourceW ||= shape.inW * shape.poolStrideW + shape.poolKernelW - 1 - 2 * shape.poolPadW
  shape.outH = Math.floor((shape.inH + 2 * shape.padH - shape.kernelH) / shape.strideH) + 1
  shape.outW = Math.floor((shape.inW + 2 * shape.padW - shape.kernelW) / shape.strideW) + 1
  return shape
}

/** A fully connected layer on inH × inW × inC spikes. */
export const linear = (options: Partial<Case> & { inH: number; inW: number }): Case =>
  makeCase({ kernelH: options.inH, kernelW: options.inW, padH: 0, padW: 0, ...options })

/**
 * Calls visit(k, mask) for each neuron of each source in the field of an output pixel; mask has one
 * bit a step.
 */
export function visitField(
  c: Case,
  sources: Uint8Array[],
  pixel: number,
  visit: (k: number, mask: number) => void,
): void {
  const image = Math.floor(pixel / (c.outH * c.outW))
  const oy = Math.floor(pixel / c.outW) % c.outH
  const ox = pixel % c.outW
  const plane = c.images * c.sourceH * c.sourceW * c.inC
  for (let ky = 0; ky < c.kernelH; ky++) {
    const y = oy * c.strideH - c.padH + ky
    if (y < 0 || y >= c.inH) continue
    for (let kx = 0; kx < c.kernelW; kx++) {
      const x = ox * c.strideW - c.padW + kx
      if (x < 0 || x >= c.inW) continue
      for (let py = 0; py < c.poolKernelH; py++) {
        const sy = y * c.poolStrideH - c.poolPadH + py
        if (sy < 0 || sy >= c.sourceH) continue
        for (let px = 0; px < c.poolKernelW; px++) {
          const sx = x * c.poolStrideW - c.poolPadW + px
          if (sx < 0 || sx >= c.sourceW) continue
          for (const masks of sources)
            for (let channel = 0; channel < c.inC; channel++) {
              const at = ((image * c.sourceH + sy) * c.sourceW + sx) * c.inC + channel
              visit(
                (ky * c.kernelW + kx) * c.inC + channel,
                masks[at] | ((masks[plane + at] ?? 0) << 8),
              )
            }
        }
      }
    }
  }
}
