/** What weights of one byte need; in a page `page/int8.ts` stands for it, for exports alone. */

import { byteWeights } from './byte-weights.js'
import { emitForwardOnBytes, fitsByteWeights } from './convolution/spike-bytes.js'

export interface Int8 {
  readonly byteWeights: typeof byteWeights
  readonly emitForwardOnBytes: typeof emitForwardOnBytes
  readonly fitsByteWeights: typeof fitsByteWeights
}

export const int8 = (): Int8 => ({ byteWeights, emitForwardOnBytes, fitsByteWeights })
