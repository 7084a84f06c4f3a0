/** The thread of `spikewasm worker` that trains replicas: it makes what a job's options say. */

import '../../model/node.js'
import { serveThread } from '../../engine/node/thread.js'
import { replicaCalls } from '../../scale/rounds/threads.js'
import { openReplica } from './replica.js'

serveThread(replicaCalls(openReplica))
