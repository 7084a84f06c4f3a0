/** In a page this stands for `record-times.ts`: workers time records, nobody here. */

import type * as times from './record-times.js'

export const timeRecords: typeof times.timeRecords = () => {
  throw new Error('programs of a page run in workers')
}
