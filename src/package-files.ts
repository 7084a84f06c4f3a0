/**
 * Parts of the package that are files of their own, as they lie from here. `tools/package.mjs` puts
 * the code of all other files together in build/dist, where this one is as far from them.
 */

import { files as ofPages } from './page-files.js'

/** Bundlers copy what they see an address of; the parts that code is in are not for them. */
const here = import.meta.url

/** What threads and processes start from, and benchmarks, which a comparison imports. */
export const scripts = [
  'bench/cases/index',
  'bench/compare/child',
  'bench/fresh-child',
  'cli/rounds/replica-thread',
  'cli/sweep/child',
  'data/thread-worker',
  'diagnose/process-child',
  'edge/verify/apart-worker',
  'engine/threads/worker',
  'files/nir/hdf5-worker',
  'train/callbacks/writer-worker',
  'watch/dashboard/worker',
] as const

/** Code that is built by itself: others than Node load it. */
type Loaded = 'edge/verify/program.js' | `watch/vendor/page.${'js' | 'css'}`

export const codeFile = (path: `${(typeof scripts)[number]}.js` | Loaded): URL =>
  new URL(path, here)

/** @param path in the package; '' is its folder */
export const packageFile = (path: string): URL => new URL(`../../${path}`, here)

/** Bundlers copy the files that are named so: each address must stand here as it is. */
export const files: Readonly<Record<string, () => URL>> = {
  ...ofPages,
  'build/wasm/engine-debug.wasm': () => new URL('../wasm/engine-debug.wasm', import.meta.url),
  'build/wasm/engine-wide.wasm': () => new URL('../wasm/engine-wide.wasm', import.meta.url),
  'build/wasm/engine-named.wasm': () => new URL('../wasm/engine-named.wasm', import.meta.url),
  'data/models/cartpole.safetensors': () =>
    new URL('../../data/models/cartpole.safetensors', import.meta.url),
  'data/models/digit-rows.safetensors': () =>
    new URL('../../data/models/digit-rows.safetensors', import.meta.url),
  'data/models/fashion-mnist-cnn.safetensors': () =>
    new URL('../../data/models/fashion-mnist-cnn.safetensors', import.meta.url),
  'data/models/nmnist.safetensors': () =>
    new URL('../../data/models/nmnist.safetensors', import.meta.url),
}
