/** Data sets in a page. */

export * from './common.js'
export { events } from './events/page-events.js'
export * as datasets from './page-datasets.js'
