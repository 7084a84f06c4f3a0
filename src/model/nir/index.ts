/** Networks of other programs, in the Neuromorphic Intermediate Representation (NIR). */

export type {
  Discretisation,
  NirConventions,
  NirOptions,
  NirReset,
  SaveNirOptions,
} from '../../files/nir/options.js'
export { type LoadNirOptions, loadNir, networkFromNir } from './load.js'
export type { NirNetwork } from './network.js'
