/**
 * An exported network in a thread of its own. A file that anybody wrote may never end: there it can
 * be stopped.
 */

import { Worker } from 'node:worker_threads'
import type { NetInfo } from '../edge/abi.js'
import { SpikewasmError } from '../errors.js'
import type { Call } from './job.js'
import { sampleBytesOf } from './sizes.js'

/** What the thread is given to start with. */
export interface ApartSetup {
  readonly bytes: Uint8Array
}

/** A question to the thread. */
export interface Question {
  readonly call: Call
  /** Samples as bytes, one after the other. */
  readonly input: Uint8Array
  /** Bytes of one sample: a frame for each step, or one for all of them. */
  readonly sampleBytes: number
}

/** What a network makes of samples. */
export interface Answer {
  /** [samples][classes] */
  readonly outputs: Float32Array
  /** predicted_class() after each sample. */
  readonly predicted: Int32Array
}

/** What the thread says. A mistake is the message of a SpikewasmError. */
export type Report =
  | { readonly kind: 'begun' }
  | { readonly kind: 'opened'; readonly info: NetInfo }
  | { readonly kind: 'alive'; readonly samples: number }
  | { readonly kind: 'answer'; readonly answer: Answer }
  | { readonly kind: 'mistake'; readonly message: string }

export interface ApartOptions {
  /**
   * Seconds in which a file must be opened, and in which some more samples, at least one, must be
   * through. Default 10.
   */
  readonly seconds?: number
}

/** How samples are laid out, and who is told of them. */
export interface AskOptions {
  readonly sampleBytes?: number
  readonly onSamples?: (samples: number) => void
}

/** An exported network that can be stopped. Close it. */
export interface ApartNet {
  /** What the file says about itself. */
  readonly info: NetInfo
  /**
   * Puts samples through the network, one question at a time.
   *
   * @param input samples as they go into the input, one after the other
   * @param options bytes of a sample, by default as `sampleBytesOf` counts them; and what is called
   *   now and then with how many samples are through
   * @throws SpikewasmError when the network traps, or takes too long: it is stopped then
   */
  ask(call: Call, input: Uint8Array, options?: AskOptions): Promise<Answer>
  /** Ends the thread. */
  close(): Promise<void>
}

/** Seconds that a thread may take to start, on a busy machine: that is no fault of the file. */
const START_SECONDS = 60

/**
 * Checks and instantiates an exported network in a thread of its own; see `openNet`.
 *
 * @param name the file's, for messages
 * @throws SpikewasmError that names the file, and what is wrong with it or that it takes too long
 */
export async function openApart(
  bytes: Uint8Array,
  name: string,
  { seconds = 10 }: ApartOptions = {},
): Promise<ApartNet> {
  const thread = new Thread(bytes, name, seconds)
  try {
    await thread.next('be opened', Math.max(seconds, START_SECONDS))
    const report = await thread.next('be opened')
    if (report.kind !== 'opened') throw new Error(`the thread began with ${report.kind}`)
    return {
      info: report.info,
      ask: (call, input, { sampleBytes = sampleBytesOf(report.info), onSamples } = {}) =>
        thread.ask({ call, input, sampleBytes }, onSamples),
      close: () => thread.close(),
    }
  } catch (error) {
    await thread.close()
    throw error
  }
}

/** The thread, and the clock beside it. */
class Thread {
  private readonly worker: Worker
  private readonly reports: (Report | Error)[] = []
  private wake: () => void = () => {}
  /** Whether the thread is no more: then nobody waits for it. */
  private ended = false

  constructor(
    bytes: Uint8Array,
    private readonly name: string,
    private readonly seconds: number,
  ) {
    const setup: ApartSetup = { bytes }
    // Without the arguments of this process: some are not for files.
    const options = { workerData: setup, execArgv: [] }
    this.worker = new Worker(new URL('./apart-worker.js', import.meta.url), options)
    const receive = (report: Report | Error): void => {
      this.reports.push(report)
      this.wake()
    }
    this.worker.on('message', receive)
    this.worker.on('error', receive)
    this.worker.on('exit', () => {
      this.ended = true
      this.wake()
    })
  }

  async ask(question: Question, onSamples: (samples: number) => void = () => {}): Promise<Answer> {
    const { call } = question
    this.worker.postMessage(question)
    for (;;) {
      const report = await this.next(`answer ${call}()`)
      if (report.kind === 'answer') return report.answer
      if (report.kind === 'alive') onSamples(report.samples)
    }
  }

  /** @param task what the file must do, in time */
  async next(task: string, seconds = this.seconds): Promise<Report> {
    if (this.reports.length === 0 && !this.ended) await this.wait(task, seconds)
    const report = this.reports.shift() ?? this.mistake('must answer, got the end of its thread')
    if (report instanceof Error) throw report
    if (report.kind === 'mistake') throw this.mistake(report.message)
    return report
  }

  close(): Promise<void> {
    return this.worker.terminate().then(() => undefined)
  }

  private mistake(message: string): SpikewasmError {
    return new SpikewasmError(`${this.name}: ${message}`)
  }

  private async wait(task: string, seconds: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = await new Promise<boolean>((resolve) => {
      this.wake = () => resolve(false)
      timer = setTimeout(resolve, 1000 * seconds, true)
    })
    clearTimeout(timer)
    if (!late || this.reports.length > 0 || this.ended) return
    await this.close()
    throw this.mistake(
      `an exported network must ${task} within ${seconds} s, got no answer: it was stopped; ` +
        'the file is damaged, or hostile: export it again',
    )
  }
}
