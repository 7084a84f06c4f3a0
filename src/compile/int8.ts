/** What weights of one byte need; in a page `int8.page.ts` stands for it, for exports alone. */

import { emitForwardOnBytes, fitsByteWeights } from './convolution/spikes.js'
import { byteWeights } from './emit/norm.js'

export const int8 = () => ({ byteWeights, emitForwardOnBytes, fitsByteWeights })

export type Int8 = ReturnType<typeof int8>
