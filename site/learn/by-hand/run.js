// The program of this lesson, run in the page.
import { load } from 'spikewasm/ops'
import { fingerprint } from '../../kit/numbers.js'

/** @returns the fingerprint of its weights */
export async function run() {
  await load?.()
  const { weights } = await import('../../../examples/by-hand.mjs')
  return fingerprint(weights.map((data) => ({ data })))
}
