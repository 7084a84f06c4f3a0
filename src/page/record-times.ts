/** In a page this stands for `runtime/record-times.ts`: workers time records, nobody here. */

import type * as times from '../runtime/record-times.js'

export const timeRecords: typeof times.timeRecords = () => {
  throw new Error('programs of a page run in workers')
}
