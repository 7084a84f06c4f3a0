/** `spikewasm/ops` in Node. */

import './node.js'

export * from './ops/index.js'
