/**
 * Gradients of 3×3 convolutions with stride 1 and padding 1, by Winograd's minimal filtering: both
 * sums become 36 small matrix products over 4×4 tiles of pixels and need a quarter of the
 * multiplications. Source: Lavin & Gray, CVPR 2016 (arXiv 1509.09308), with the interpolation
 * points 0, ±1, ±2, ∞.
 *
 * Legend: a tile is 4×4 pixels of an image, tiles of an image run in tile rows, S = tiles of all
 * images of the record; tiles that hang over the right or lower edge read zeros there and write
 * nothing there. A patch is the 6×6 pixels from one pixel above and left of a tile. A plane is one
 * of the 36 values (6×6) that a transformed tile has; PlaneBytes lie between two planes, and must
 * not be a multiple of a power of two from 4096 on, or all 36 fall on the same cache lines.
 *
 *   input gradient dX = Aᵀ [ (Bᵀ δ B) ⊙ (G W Gᵀ) ] A F(4×4, 3×3), W rotated by 180°, summed over n
 *   weight gradient dW = Aᵀ [ (Bᵀ r B) ⊙ (G' δ G'ᵀ) ] A' F(3×3, 4×4), summed over tiles
 *
 * Transforms: winograd-transforms.ts. Products: winograd-products.ts. The operations:
 * winograd-input.ts, winograd-weight.ts. Here the sizes that they share. The sizes of scratch, and
 * the words of the records, come from src/plan/convolution/winograd-geometry.ts.
 */
import { Winograd } from '../opcodes'

export const VECTOR_BYTES: usize = 16

/**
 * Columns of a product, input channels of a block of the input gradient, and the bytes of their
 * floats.
 */
export const BLOCK: i32 = Winograd.Block
export const BLOCK_BYTES: usize = Winograd.BlockBytes

/** Channels of a group of the weight gradient, and the bytes of their floats. */
export const GROUP: i32 = Winograd.Group
export const GROUP_BYTES: usize = Winograd.GroupBytes

/**
 * Tiles over which the weight gradient sums at a time: two groups of so many stay in the first
 * cache.
 */
export const DEPTH: i32 = 256

/**
 * Output channels of a chunk of the input gradient. Rows of a chunk are so far apart whatever it
 * holds, since the product wants a constant.
 */
export const CHUNK: i32 = Winograd.Chunk
export const CHUNK_BYTES: usize = Winograd.ChunkBytes
export const PLANES: usize = Winograd.Planes

/** 6×6 vectors between the two passes of a transform. */
export const TRANSFORM_BYTES: usize = Winograd.TransformBytes

/** Keeps planes and blocks apart in the cache. */
export const PLANE_PADDING: usize = Winograd.PlanePadding
export const PADDING: usize = Winograd.GroupPadding

/** Room for the addresses of the six rows of a patch. */
export const ROWS_BYTES: usize = Winograd.RowsBytes
