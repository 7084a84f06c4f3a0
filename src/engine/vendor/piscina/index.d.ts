/** Types of the bundled Piscina; `tools/bundle.mjs` writes the code. */
export { Piscina } from 'piscina'
