/** The thread of `spikewasm worker` that trains replicas: it makes what a job's options say. */

import '../../model/node.js'
import { workerData } from 'node:worker_threads'
import { serveThread } from '../../engine/node/thread.js'
import { replicaCalls } from '../../scale/rounds/threads.js'
import { openReplica, type ReplicaPlace } from './replica.js'

serveThread(replicaCalls((job, files) => openReplica(job, files, workerData as ReplicaPlace)))
