/** Data sets in a page. */

import { eventFunctions } from './events/functions.js'
import { readEvents } from './events/read-in-page.js'

// What is public of recordings in a page.

/** As `events` in Node; `read` takes bytes and files of a page. */
export const events = { read: readEvents, ...eventFunctions }

export * from './common.js'

export * as datasets from './page-datasets.js'
