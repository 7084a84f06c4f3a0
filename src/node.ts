/** Registers Node's surroundings: what the package's entries for Node import first. */

import './runtime/node/platform.js'
