/** Types of the bundled AssemblyScript loader; `tools/bundle.mjs` writes the code. */
export { instantiateSync } from '@assemblyscript/loader'
