/**
 * A process for benchmarks of a user's own: lists those of some files, or measures one of them. So
 * whatever a benchmark does, print, hang, end its process or leave timers open, hits that process
 * alone. V8 has seen no other benchmark there: their order does not decide their times.
 */
import '../node.js'
import { readFileSync } from 'node:fs'
import { switchOnWideVectors } from '../runtime/revectorize.js'
import { findBuild, loadBuild, ownRoot, unloadedBuild } from './compare/builds.js'
import { ownBenchmarks } from './own.js'
import type { OwnJob, OwnMessage } from './own-process.js'
import { measureBenchmark } from './table.js'

/** Resolves when the message has left: an exit must not lose it. */
const send = (message: OwnMessage): Promise<void> =>
  new Promise((done) => {
    if (process.connected) process.send?.(message, undefined, {}, () => done())
    else done()
  })

/** One turn of the event loop: promises that were rejected meanwhile are heard of. */
const turn = (): Promise<void> => new Promise((done) => void setImmediate(done))

let isEnding = false

/** Only the first end counts. */
async function end(message: OwnMessage): Promise<void> {
  if (isEnding) return
  isEnding = true
  await send(message)
  // Timers and threads that a benchmark left open would keep the process alive.
  process.exit(0)
}

const describeError = (error: unknown): OwnMessage =>
  error instanceof Error && error.name === 'SpikewasmError'
    ? { kind: 'failed', reason: error.message, isMistake: true }
    : { kind: 'failed', reason: String(error), isMistake: false }

// A rejected promise that nobody waits for comes here too.
process.on('uncaughtException', (error: unknown) => void end(describeError(error)))
// Nothing is left that could settle what we wait for.
process.once('beforeExit', () => void end({ kind: 'stuck' }))
// Ctrl-C in a terminal goes to all its processes; ours is ended by its parent.
process.on('SIGINT', () => {})
process.once('disconnect', () => process.exit(1))

process.once('message', async (job: OwnJob) => {
  process.channel?.unref()
  try {
    await end(await answer(job))
  } catch (error) {
    await end(describeError(error))
  }
})

/**
 * Whether files import this package themselves. It loads faster as long as Node does not ask what
 * an own file means by each import; one that a helper imports is slower, and no more.
 */
const mentionPackage = (paths: readonly string[]): boolean =>
  paths.some((path) => {
    try {
      return readFileSync(path, 'utf8').includes('spikewasm')
    } catch {
      // Who loads it says what is wrong with it.
      return false
    }
  })

async function answer({ paths, wide, name, budget }: OwnJob): Promise<OwnMessage> {
  if (wide) await switchOnWideVectors()
  const files = await findBuild(ownRoot(), 'this build')
  if (mentionPackage(paths)) await loadBuild(files, 'this')
  const build = unloadedBuild(files, 'this')
  const benchmarks = await ownBenchmarks(paths, [{ build, files }])
  await turn()
  if (name === undefined) return { kind: 'list', names: benchmarks.map((each) => each.name) }
  const benchmark = benchmarks.find((each) => each.name === name)
  if (benchmark === undefined)
    return { kind: 'failed', reason: 'it is there only at times', isMistake: false }
  await send({ kind: 'begin' })
  const { measured, work, density } = await measureBenchmark(benchmark, build, budget, () =>
    send({ kind: 'alive' }),
  )
  await turn()
  return { kind: 'measured', result: { name, measured, work, density } }
}
