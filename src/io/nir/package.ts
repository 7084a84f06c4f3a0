/** The HDF5 library, which is an optional dependency. */
export const hdf5Package = 'h5wasm'
