/** Parameters and running statistics of a file that learns, as a state dict. */

import { describe, expect, SpikewasmError } from '../errors.js'
import type { ParameterLayout, Strides } from '../plan/layout.js'
import type { StateDict } from '../runtime/state.js'
import type { NetInfo, StateEntry } from './abi.js'
import { netInfo } from './net.js'
import { checkInfo } from './schema.js'

/** The text of a layout in the custom section; docs/edge.md describes it. */
export function layoutText({
  strides,
  neurons,
}: Pick<ParameterLayout, 'strides' | 'neurons'>): string {
  if (neurons) return `${neurons.square ? 'square' : 'neurons'} ${neurons.pixels} ${neurons.stored}`
  if (!strides) return 'plain'
  const { block, blockStride, inputStride, taps, tapStride } = strides
  return `block ${block} ${blockStride} input ${inputStride} taps ${taps} ${tapStride}`
}

const blocks = /^block (\d+) (\d+) input (\d+) taps (\d+) (\d+)$/
const ofNeurons = /^(neurons|square) (\d+) (\d+)$/

/**
 * Where number [n][k] of a tensor lies, which has `each` numbers k for each n.
 * @throws SpikewasmError for a layout that this version does not know
 */
function placesOf({ name, layout }: StateEntry, each: number): (n: number, k: number) => number {
  if (layout === 'plain') return (n, k) => n * each + k
  const block = blocks.exec(layout)
  if (block) {
    const [width, blockStride, inputStride, taps, tapStride] = block.slice(1).map(Number)
    if (width > 0 && taps > 0) {
      const strides = { block: width, blockStride, inputStride, taps, tapStride }
      return (n, k) => placeOf(strides, n, k)
    }
  }
  const neurons = ofNeurons.exec(layout)
  if (neurons) {
    const [pixels, stored] = neurons.slice(2).map(Number)
    const at = (e: number): number => (e % pixels) * stored + Math.floor(e / pixels)
    if (pixels > 0)
      return neurons[1] === 'square'
        ? (n, k) => at(k) * pixels * stored + at(n)
        : (n, k) => at(n * each + k)
  }
  throw new SpikewasmError(
    `the layout of ${name} must be "plain", "block … input … taps …", "neurons …" or "square …", ` +
      `got ${describe(layout)}; a newer spikewasm reads it`,
  )
}

/**
 * What a file of mode train has learnt, by PyTorch's names and in its layouts, for
 * `model.loadStateDict`. Parameters and running statistics; copies.
 *
 *     const net = await openNet(bytes)
 *     …
 *     model.loadStateDict(readState(bytes, net.training.params))
 *
 * @param net the file, or what `netInfo` says of it
 * @param params the float32 from `params_ptr`, `params_len` of them; from any host
 * @throws SpikewasmError when it is none that learns, its information is damaged, or there
 *   are fewer numbers than it says
 */
export function readState(net: Uint8Array | NetInfo, params: Float32Array): StateDict {
  expect(
    typeof net === 'object' && net !== null,
    () =>
      'readState.net must be the bytes of a file of mode train, or what netInfo says of it, got ' +
      describe(net),
  )
  const { state, mode } = net instanceof Uint8Array ? netInfo(net) : checkInfo(net, 'readState.net')
  expect(
    state !== undefined,
    () => `readState.net must be of mode train, got mode ${mode}; export the network with it`,
  )
  expect(
    params instanceof Float32Array,
    () => `readState.params must be a Float32Array, got ${describe(params)}`,
  )
  return Object.fromEntries(
    state.map((entry) => [entry.name, { shape: entry.shape, data: numbersOf(entry, params) }]),
  )
}

/** The numbers of a tensor in PyTorch's order. */
function numbersOf(entry: StateEntry, params: Float32Array): Float32Array {
  const { name, shape, offset } = entry
  const size = shape.reduce((a, b) => a * b, 1)
  const each = size / (shape[0] ?? 1)
  const at = placesOf(entry, each)
  const out = new Float32Array(size)
  for (let i = 0; i < size; i++) {
    const place = offset + at(Math.floor(i / each), i % each)
    expect(
      place < params.length,
      () =>
        `readState.params must hold params_len numbers, ${name} up to number ${place}, got ` +
        `${params.length}`,
    )
    out[i] = params[place]
  }
  return out
}

/** Where number [n][k] of a weight in blocks lies. */
const placeOf = (
  { block, blockStride, inputStride, taps, tapStride }: Strides,
  n: number,
  k: number,
): number =>
  Math.floor(n / block) * blockStride +
  (n % block) +
  Math.floor(k / taps) * inputStride +
  (k % taps) * tapStride
