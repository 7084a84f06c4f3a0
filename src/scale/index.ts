/** More than one machine: the entry `spikewasm/scale`. */

import '../model/node.js'

export { type FitRoundsOptions, fitRounds } from './rounds/fit.js'
export type { RoundInfo } from './rounds/loop.js'
export type { Compress, InnerState, Rounds, RoundsRedis } from './rounds/options.js'
export {
  type FitRoundsAtOptions,
  fitRoundsAt,
  type RoundsWorker,
  serveRounds,
} from './rounds/serve.js'
