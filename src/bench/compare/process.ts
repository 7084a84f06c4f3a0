/** Child processes as the parent sees them: started, listened to, and ended when they hang. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { SpikewasmError } from '../../errors.js'
import type { Job, Measured, Message } from './job.js'

/** What a child said by its end. */
export interface Outcome {
  /** Names of all benchmarks, whether measured or not. */
  readonly names: readonly string[]
  readonly measured: readonly Measured[]
  /** Reasons by name. */
  readonly skipped: ReadonlyMap<string, string>
  readonly failed: ReadonlyMap<string, string>
  /** Whether it came to its end; else the last of the failed ones has ended it. */
  readonly isWhole: boolean
}

export interface ChildOptions {
  /** A child that says nothing for longer is killed. */
  readonly patienceMs: number
  /** Called when a benchmark begins. */
  onBegin?(name: string): void
}

/** A child may take so long to start, whatever benchmarks may: the machine may be busy. */
const START_MS = 60_000

/** The last bytes of what a child writes to its standard error are kept for messages. */
const KEPT = 4000

/**
 * Runs a job in a process of its own.
 * @throws SpikewasmError when nothing could be measured at all, for example because a build is
 *   missing. A benchmark that throws, hangs or ends the process is a failure in the outcome.
 */
export function runChild(job: Job, options: ChildOptions): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL('./child.js', import.meta.url)), [], {
      execArgv: [...process.execArgv.filter((flag) => PASSED.test(flag)), GC],
      // What benchmarks print must not get into tables and JSON of ours.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    const outcome = {
      names: [] as readonly string[],
      measured: [] as Measured[],
      skipped: new Map<string, string>(),
      failed: new Map<string, string>(),
      isWhole: true,
    }
    let [running, words]: [string | undefined, string] = [undefined, '']
    let [isDone, isHanging] = [false, false]
    let broken: Error | undefined
    let timer: NodeJS.Timeout
    const leave = (): void => void child.kill('SIGKILL')
    let waitsMs = 0
    const wait = (ms = options.patienceMs): void => {
      clearTimeout(timer)
      waitsMs = ms
      timer = setTimeout(() => {
        isHanging = true
        leave()
      }, ms)
    }
    process.once('exit', leave)
    child.stdout?.resume()
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      words = (words + text).slice(-KEPT)
    })
    child.on('message', (message: Message) => {
      wait()
      if (message.kind !== 'begin' && message.kind !== 'alive') running = undefined
      switch (message.kind) {
        case 'list':
          outcome.names = message.names
          break
        case 'begin':
          running = message.name
          options.onBegin?.(message.name)
          break
        case 'alive':
          break
        case 'measured':
          outcome.measured.push(message.measured)
          break
        case 'skipped':
          outcome.skipped.set(message.name, message.reason)
          break
        case 'failed':
          outcome.failed.set(message.name, message.reason)
          break
        case 'broken':
          broken = message.isMistake
            ? new SpikewasmError(message.reason)
            : new Error(`a child process failed: ${message.reason}`)
          break
        case 'done':
          isDone = true
          break
        default:
          message satisfies never
      }
    })
    child.on('error', (error) => {
      broken ??= error
    })
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      process.off('exit', leave)
      if (broken) return reject(broken)
      if (isDone) return resolve(outcome)
      const how = isHanging
        ? `did not end within ${waitsMs / 1000} s; its process was killed`
        : `ended its process (${signal ?? `exit code ${code}`})`
      const last = words.trim()
      const reason = last === '' ? how : `${how}: ${lastLines(last)}`
      if (running === undefined)
        return reject(new SpikewasmError(`a child process of the comparison ${reason}`))
      outcome.failed.set(running, reason)
      outcome.isWhole = false
      resolve(outcome)
    })
    wait(Math.max(options.patienceMs, START_MS))
    // Several times within the patience.
    child.send({ ...job, aliveMs: Math.min(2000, options.patienceMs / 4) })
  })
}

/** Flags of Node that the child gets too: those of V8 and of its messages. */
const PASSED = /^--(?!(inspect|test|eval|print|watch|import|require|loader|input-type|check))/

/** Between two benchmarks the memory of the last one is given back. */
const GC = '--expose-gc'

const lastLines = (text: string): string => text.split('\n').slice(-4).join(' | ')
