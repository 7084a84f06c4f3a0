/** The kind of jobs that replicas of `train --replicas` are, for `spikewasm worker`. */

import { roundsKind as kindOf } from '../../scale/rounds/kind.js'
import { replicaHost } from './replica.js'

export const roundsKind = kindOf(replicaHost({}))
