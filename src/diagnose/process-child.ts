/** The process of process.ts: it makes a model, runs a few training steps, and tells its peak. */

import '../node.js'
import { SpikewasmError } from '../errors.js'
import { compositeOf } from '../graph/json.js'
import { median } from '../median.js'
import { compile } from '../network.js'
import { type ProcessCost, variants } from './diagnosis.js'
import type { ProcessAnswer, ProcessJob } from './process.js'

/** Steps before those that are timed. */
const WARM_UP_STEPS = 2

async function measure(job: ProcessJob): Promise<ProcessCost> {
  const { network, input, method, timeSteps, frames, batchSize, threads, seed } = job
  const model = await compile(compositeOf(network, 'the network'), {
    ...{ input, timeSteps, frames, batchSize, threads, seed },
    ...variants[method],
  })
  model.loadStateDict(job.state)
  const { images, labels } = model.session.slot(0)
  images.set(job.images)
  labels.set(job.labels)
  const step = (): Promise<unknown> => model.session.run('train', 0, batchSize, 0)
  for (let i = 0; i < WARM_UP_STEPS; i++) await step()
  const times: number[] = []
  const end = performance.now() + job.milliseconds
  while (times.length < 3 || performance.now() < end) {
    const start = performance.now()
    await step()
    times.push(performance.now() - start)
  }
  const { total } = model.memoryUse
  await model.dispose()
  return { peakBytes: peak(), planBytes: total, stepMs: median(times) }
}

/** maxRSS is in KiB. */
const peak = (): number => process.resourceUsage().maxRSS * 1024

const answer = async (job: ProcessJob | undefined): Promise<ProcessAnswer> => {
  try {
    return job ? await measure(job) : { peakBytes: peak(), planBytes: 0, stepMs: 0 }
  } catch (error) {
    if (error instanceof SpikewasmError) return { mistake: error.message }
    throw error
  }
}

process.once('disconnect', () => process.exit(1))
process.once('message', async ({ job }: { job: ProcessJob | undefined }) => {
  const found = await answer(job)
  process.send?.(found, undefined, {}, () => process.exit(0))
})
