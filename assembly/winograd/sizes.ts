/** Four floats. */
export const VECTOR_BYTES: usize = 16

/** Columns of a product, and input channels of a block of the input gradient. */
export const BLOCK: i32 = 8

/** Bytes of the floats of a block. */
export const BLOCK_BYTES: usize = 32

/** Channels of a group of the weight gradient. */
export const GROUP: i32 = 16

/** Bytes of the floats of a group. */
export const GROUP_BYTES: usize = 64

/**
 * Tiles that the weight gradient sums at a time. Two groups of so many stay in the first-level
 * cache.
 */
export const DEPTH: i32 = 256

/** Output channels of a chunk of the input gradient. */
export const CHUNK: i32 = 128

/** Bytes between rows of a chunk, however many channels it holds: the product needs a constant. */
export const CHUNK_BYTES: usize = 512

/** Values of a transformed tile: 6×6. */
export const PLANES: usize = 36

/** 6×6 vectors between the two passes of a transform. */
export const TRANSFORM_BYTES: usize = 576

/** Bytes between planes, which keep them apart in the cache. */
export const PLANE_PADDING: usize = 192

/** Bytes between groups of channels, which keep them apart in the cache. */
export const PADDING: usize = 64

/** Room for the addresses of the six rows of a patch. */
export const ROWS_BYTES: usize = 64
