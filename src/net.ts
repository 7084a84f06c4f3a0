/**
 * Exported networks alone: `spikewasm/net` is small, for pages that only predict. `exportWasm` and
 * `spikewasm export` make the files.
 */

export type { InputType, NetInfo, NetMode, NetTarget, StateEntry, WeightType } from './edge/abi.js'
export { type Net, type NetTraining, netInfo, openNet } from './edge/net.js'
export { SpikewasmError } from './errors.js'
