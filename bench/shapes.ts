/**
 * Convolutions of the paper's networks on CIFAR images, each shape once, and of others' first
 * layers.
 */

export interface LayerShape {
  /** Where it occurs. */
  readonly network: 'ResNet-18' | 'VGG-11' | 'cnn'
  readonly inC: number
  readonly inH: number
  readonly outC: number
  readonly kernel: number
  readonly stride: number
}

const shape = (
  network: LayerShape['network'],
  inC: number,
  inH: number,
  outC: number,
  kernel = 3,
  stride = 1,
): LayerShape => ({
  network,
  inC,
  inH,
  outC,
  kernel,
  stride,
})

export const layerShapes: readonly LayerShape[] = [
  shape('ResNet-18', 64, 32, 64),
  shape('ResNet-18', 64, 32, 128, 3, 2),
  shape('ResNet-18', 64, 32, 128, 1, 2),
  shape('ResNet-18', 128, 16, 128),
  shape('ResNet-18', 128, 16, 256, 3, 2),
  shape('ResNet-18', 128, 16, 256, 1, 2),
  shape('ResNet-18', 256, 8, 256),
  shape('ResNet-18', 256, 8, 512, 3, 2),
  shape('ResNet-18', 256, 8, 512, 1, 2),
  shape('ResNet-18', 512, 4, 512),
  shape('VGG-11', 64, 16, 128),
  shape('VGG-11', 128, 8, 256),
  shape('VGG-11', 256, 4, 512),
  shape('VGG-11', 512, 2, 512),
]

/** Two of them with few operations, for a quick look. */
export const quickShapes: readonly LayerShape[] = layerShapes.filter(
  (s) => s.network === 'ResNet-18' && s.kernel === 3 && s.inC >= 256 && s.stride === 1,
)

const outSize = (s: LayerShape): number => s.inH / s.stride

export function describeShape(s: LayerShape): string {
  return (
    `${s.inC}→${s.outC} @${s.inH} ` +
    `${s.kernel}×${s.kernel}${s.stride > 1 ? ` /${s.stride}` : ''}`
  )
}

/** Multiplications and additions of the dense convolution of so many images. */
export function denseFlops(s: LayerShape, images: number): number {
  return 2 * images * outSize(s) ** 2 * s.outC * s.kernel ** 2 * s.inC
}
