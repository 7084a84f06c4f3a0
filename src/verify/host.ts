/** What a host is: a program that runs exported networks. */

import type { NetInfo } from '../edge/abi.js'
import type { Job, Outcome } from './job.js'

/** A kind of host; the list of all is in hosts/index.ts. */
export interface Host {
  readonly name: string
  /** How to get it, for people; it follows the words "not found: name; ". */
  readonly install: string
  /** Why it cannot run a file; undefined when it can. Absent: it runs all. */
  readonly refuses?: (info: NetInfo) => string | undefined
  /** Looks for it on this machine. */
  readonly find: () => Promise<FoundHost | undefined>
}

export interface FoundHost {
  /** As the host says, for example `24.1.0`. */
  readonly version: string
  /**
   * Runs a job; the folder of the job is for its files.
   * @throws HostFailure when the host ends with an error, or takes far too long
   */
  readonly run: (job: Job) => Promise<Outcome>
}

/** A host did not do its job. The message is for people. */
export class HostFailure extends Error {
  override name = 'HostFailure'

  /** @param complaints all that its program wrote to standard error */
  constructor(
    message: string,
    readonly complaints = '',
  ) {
    super(message)
  }
}

/** For hosts without SIMD. */
export function refusesSimd({ target }: NetInfo): string | undefined {
  return target === 'simd' ? 'it has no SIMD; export with --target scalar' : undefined
}
