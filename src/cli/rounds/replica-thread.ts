/** The thread of `spikewasm worker` that trains replicas: it makes what a job's options say. */

import '../../node.js'
import { parentPort, workerData } from 'node:worker_threads'
import { serveReplicas } from '../../scale/rounds/thread.js'
import { openReplica, type ReplicaPlace } from './replica.js'

if (parentPort)
  serveReplicas(parentPort, (job, files) => openReplica(job, files, workerData as ReplicaPlace))
