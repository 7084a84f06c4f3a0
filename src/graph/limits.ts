/**
 * How large graphs may be: more than any network is; each costs time and memory before anything
 * else is known. What can be compiled can be saved and read again.
 */

/** Layers, sums and joins. */
export const MOST_NODES = 2500
/** Values of one sum or join. */
export const MOST_INPUTS = 1000
/** Characters of a layer's path, which bound how deep blocks lie in blocks. */
export const LONGEST_NAME = 1000
/** Layers and blocks that are called or not, at all places where they are. */
export const MOST_MODULES = 4 * MOST_NODES
