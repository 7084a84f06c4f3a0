// All that lesson 1 and this one do, in the page: it trains, exports, and runs the file.
import { exportWasm } from 'spikewasm'
import { default as wasm } from 'spikewasm/engine-named.wasm?url'
import { answersOf, trained } from './file.js'
import { open } from './host.js'

/** @returns the fingerprint of the file's answers */
export async function run() {
  const bytes = await exportWasm(await trained(), { wasm })
  return answersOf(await open(bytes))
}
