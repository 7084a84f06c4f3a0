/** What is public of recordings in a page. */

import { eventFunctions } from './functions.js'
import { readEvents } from './read-in-page.js'

/** As `events` in Node; `read` takes bytes and files of a page. */
export const events = { read: readEvents, ...eventFunctions }
