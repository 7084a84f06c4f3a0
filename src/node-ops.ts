/** `spikewasm/ops` in Node. */

import './model/node.js'

export * from './ops/index.js'
