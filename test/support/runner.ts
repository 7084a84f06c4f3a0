/** What tests tell the runner (tools/runner): what is skipped and why, and who needs more time. */

import { type Callback, test } from 'uvu'

type Tell = (event: Readonly<Record<string, string | number | undefined>>) => void
/** A test file that is run by hand has no runner. */
const tell: Tell = (globalThis as { SPIKEWASM_TELL?: Tell }).SPIKEWASM_TELL ?? console.log

/** Says a name and what to run, as uvu's `test` does. */
export type Define = (name: string, body: Callback) => void

/** Says why the test that runs now leaves out a part, or all: it counts as skipped, not passed. */
export function skip(reason: string): void {
  tell({ kind: 'skip', reason })
}

/** `define`, or, where there is a reason, a function that skips tests for it. */
export function testUnless(reason: string | undefined | false, define: Define = test): Define {
  return reason ? (name) => tell({ kind: 'skip', name, reason }) : define
}

/** Gives the test that runs now this many seconds, where they are more than the limit of all. */
export function allow(seconds: number): void {
  tell({ kind: 'limit', seconds })
}
