/**
 * An exported network in a thread of its own. A file that anybody wrote may never end: there it can
 * be stopped.
 */

import { SpikewasmError } from '../../base/errors.js'
import { Thread } from '../../engine/node/thread.js'
import { patiently, SideEnded, SideSilent } from '../../engine/threads/calls.js'
import { codeFile } from '../../package-files.js'
import { type Call, type NetInfo, sampleBytesOf } from '../abi.js'
import type { Answer, ApartCalls } from './apart-worker.js'

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
  close(): Promise<void>
}

const workerFile = codeFile('edge/verify/apart-worker.js')

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
  // Without the arguments of this process: some are not for files.
  const thread = new Thread<ApartCalls>(workerFile, { execArgv: [] })
  const mistake = (what: string): SpikewasmError => new SpikewasmError(`${name}: ${what}`)
  /** @param task what the file must do, in time */
  async function within<R>(
    task: string,
    most: number,
    ask: (alive: () => void) => Promise<R>,
  ): Promise<R> {
    try {
      if (thread.failure) throw new SideEnded()
      return await patiently(thread, { firstMs: 1000 * most, ms: 1000 * seconds }, ask)
    } catch (error) {
      if (error instanceof SpikewasmError) throw mistake(error.message)
      if (error instanceof SideEnded) throw mistake('must answer, got the end of its thread')
      if (!(error instanceof SideSilent)) throw error
      throw mistake(
        `an exported network must ${task} within ${error.seconds} s, got no answer: it was ` +
          'stopped; the file is damaged, or hostile: export it again',
      )
    }
  }
  const close = (): Promise<void> => thread.kill()
  try {
    await within('be opened', Math.max(seconds, START_SECONDS), () => thread.ready)
    const info = await within('be opened', seconds, () => thread.call('open', bytes))
    const own = sampleBytesOf(info)
    return {
      info,
      ask: (call, input, { sampleBytes = own, onSamples } = {}) =>
        within(`answer ${call}()`, seconds, (alive) =>
          thread.call(
            'ask',
            { call, input, sampleBytes },
            {
              onNews(samples) {
                alive()
                onSamples?.(samples)
              },
            },
          ),
        ),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}
