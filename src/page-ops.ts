/** `spikewasm/ops` in a page. */

import './runtime/page/platform.js'

export * from './ops/index.js'
