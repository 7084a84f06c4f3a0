/** The kernels as functions. */
export {}
