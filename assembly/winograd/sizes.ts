import { Winograd } from '../opcodes'

/** Four floats. */
export const VECTOR_BYTES: usize = 16

/** Columns of a product, and input channels of a block of the input gradient. */
export const BLOCK: i32 = Winograd.Block

/**
 * Blocks whose products are made side by side. In the engine for wide vectors, the sums of two are
 * as many as fit into registers; its kernels have twice the scratch that they say.
 */
export const SIDE: i32 = WIDE ? 2 : 1

/** Bytes of the floats of a block. */
export const BLOCK_BYTES: usize = Winograd.BlockBytes

/** Channels of a group of the weight gradient. */
export const GROUP: i32 = Winograd.Group

/** Bytes of the floats of a group. */
export const GROUP_BYTES: usize = Winograd.GroupBytes

/**
 * Tiles that the weight gradient sums at a time. Two groups of so many stay in the first-level
 * cache.
 */
export const DEPTH: i32 = 256

/** Output channels of a chunk of the input gradient. */
export const CHUNK: i32 = Winograd.Chunk

/** Bytes between rows of a chunk, however many channels it holds: the product needs a constant. */
export const CHUNK_BYTES: usize = Winograd.ChunkBytes

/** Values of a transformed tile: 6×6. */
export const PLANES: usize = Winograd.Planes

/** 6×6 vectors between the two passes of a transform. */
export const TRANSFORM_BYTES: usize = Winograd.TransformBytes

/** Bytes between planes, which keep them apart in the cache. */
export const PLANE_PADDING: usize = Winograd.PlanePadding

/** Bytes between groups of channels, which keep them apart in the cache. */
export const PADDING: usize = Winograd.GroupPadding

/** Room for the addresses of the six rows of a patch. */
export const ROWS_BYTES: usize = Winograd.RowsBytes
