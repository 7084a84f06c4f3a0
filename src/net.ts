/**
 * Exported networks alone: `spikewasm/net` is small, for pages that only predict. `exportWasm` and
 * `spikewasm export` make the files.
 *
 * @module net
 */

import { type Net, openInference } from './edge/net.js'

export { SpikewasmError } from './base/errors.js'
export type {
  InputType,
  NamedInput,
  NetInfo,
  NetMode,
  NetTarget,
  StateEntry,
} from './edge/abi.js'
export { netInfo } from './edge/file.js'
export type { Net, NetTraining } from './edge/net.js'

/**
 * Checks an exported network and instantiates it. As `openNet` of the package's main entry, but for
 * `training`, which is undefined, and the C struct, which nobody compares with the rest.
 *
 * @throws SpikewasmError when the bytes are no exported network, or its parts contradict each other
 */
export async function openNet<I = Float32Array>(bytes: Uint8Array): Promise<Net<I>> {
  return (await openInference(bytes)).net as Net<I>
}
export type { WeightType } from './network/weights.js'
