/** Parameters and running statistics of a file that learns, as a state dict. */

import { describe, expect, SpikewasmError } from '../errors.js'
import type { Strides } from '../plan/layout.js'
import type { StateDict } from '../runtime/state.js'
import type { NetInfo, StateEntry } from './abi.js'
import { netInfo } from './net.js'
import { checkInfo } from './schema.js'

/** The text of a layout in the custom section; docs/edge.md describes it. */
export function layoutText(strides: Strides | undefined): string {
  if (!strides) return 'plain'
  const { block, blockStride, inputStride, taps, tapStride } = strides
  return `block ${block} ${blockStride} input ${inputStride} taps ${taps} ${tapStride}`
}

const pattern = /^block (\d+) (\d+) input (\d+) taps (\d+) (\d+)$/

/** @throws SpikewasmError for a layout that this version does not know */
function stridesOf({ name, layout }: StateEntry): Strides | undefined {
  if (layout === 'plain') return undefined
  const numbers = pattern.exec(layout)?.slice(1).map(Number)
  if (!numbers || numbers[0] === 0 || numbers[3] === 0)
    throw new SpikewasmError(
      `the layout of ${name} must be "plain" or "block … input … taps …", got ` +
        `${describe(layout)}; a newer spikewasm reads it`,
    )
  const [block, blockStride, inputStride, taps, tapStride] = numbers
  return { block, blockStride, inputStride, taps, tapStride }
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
  const strides = stridesOf(entry)
  const size = shape.reduce((a, b) => a * b, 1)
  const rows = shape[0] ?? 1
  const place = strides ? placeOf(strides, rows - 1, size / rows - 1) : 0
  const last = offset + Math.max(place, size - 1)
  expect(
    last < params.length,
    () =>
      `readState.params must hold params_len numbers, ${name} up to number ${last}, got ` +
      `${params.length}`,
  )
  if (!strides) return params.slice(offset, offset + size)
  const each = size / rows
  return Float32Array.from(
    { length: size },
    (_, i) => params[offset + placeOf(strides, Math.floor(i / each), i % each)],
  )
}

/** Where number [n][k] lies. */
const placeOf = (
  { block, blockStride, inputStride, taps, tapStride }: Strides,
  n: number,
  k: number,
): number =>
  Math.floor(n / block) * blockStride +
  (n % block) +
  Math.floor(k / taps) * inputStride +
  (k % taps) * tapStride
