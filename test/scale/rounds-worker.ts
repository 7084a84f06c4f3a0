/** A worker of replicas for tests: Redis, namespace, milliseconds of a lock, shared folder. */
import { replicaHost } from '../../src/cli/rounds/replica.js'
import { RedisPlace } from '../../src/scale/redis.js'
import { roundsKind } from '../../src/scale/rounds/kind.js'
import { folderStore } from '../../src/scale/store.js'
import { startWorker } from '../../src/scale/worker.js'

const [url, namespace, lockMs, shared] = process.argv.slice(2)
const place = await RedisPlace.open(url, { namespace })
const host = replicaHost({ threads: 1 })
await startWorker(place, {
  kinds: [roundsKind(host)],
  concurrency: 1,
  limits: { memoryMB: 1024, seconds: 600 },
  lockMs: Number(lockMs),
  ...(shared ? { store: await folderStore(shared) } : {}),
  onNews: (line) => process.stdout.write(`${line}\n`),
})
process.stdout.write('ready\n')
