/** `spikewasm/ops` in a page. */

import './engine/page/platform.js'

export * from './ops/index.js'
