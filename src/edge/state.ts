/** Parameters and running statistics of a file that learns, as a state dict. */

import { describe, fail } from '../base/errors.js'
import { type ParameterLayout, placesOf } from '../compile/layout.js'
import type { StateDict } from '../engine/memory/state.js'
import type { NetInfo, StateEntry } from './abi.js'
import { givenInfo } from './file.js'

/** The text of a layout in the custom section; docs/exported-file.md describes it. */
export function layoutText({ strides, axes }: Pick<ParameterLayout, 'strides' | 'axes'>): string {
  if (strides) {
    const { block, blockStride, inputStride, taps, tapStride } = strides
    return `block ${block} ${blockStride} input ${inputStride} taps ${taps} ${tapStride}`
  }
  const counted = axes?.filter(([size]) => size > 1) ?? []
  return counted.length > 1 || counted.some(([, stride]) => stride !== 1)
    ? `axes ${counted.flat().join(' ')}`
    : 'plain'
}

const blocksPattern = /^block (\d+) (\d+) input (\d+) taps (\d+) (\d+)$/
const axesPattern = /^axes((?: \d+ \d+)+)$/

/** @throws SpikewasmError for a layout that this version does not know, or of another shape */
function placesIn({ name, layout, shape }: StateEntry): (element: number) => number {
  if (layout === 'plain') return (element) => element
  const size = shape.reduce((a, b) => a * b, 1)
  const numbers = blocksPattern.exec(layout)?.slice(1).map(Number)
  if (numbers && numbers[0] > 0 && numbers[3] > 0) {
    const [block, blockStride, inputStride, taps, tapStride] = numbers
    return placesOf({ shape, strides: { block, blockStride, inputStride, taps, tapStride } })
  }
  const pairs = axesPattern.exec(layout)?.[1].trim().split(' ').map(Number) ?? []
  const axes = pairs.flatMap((n, i) => (i % 2 ? [] : [[n, pairs[i + 1]] as const]))
  if (pairs.length > 0 && axes.reduce((product, [n]) => product * n, 1) === size)
    return placesOf({ shape, axes })
  fail(
    `the layout of ${name} must be "plain", "block … input … taps …" or "axes …" over ` +
      `[${shape.join(', ')}], got ${describe(layout)}; a newer spikewasm reads it`,
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
  const { state, mode } = givenInfo('readState.net', 'a file of mode train', net)
  if (state === undefined)
    fail(`readState.net must be of mode train, got mode ${mode}; export the network with it`)
  if (!(params instanceof Float32Array))
    fail(`readState.params must be a Float32Array, got ${describe(params)}`)
  return Object.fromEntries(
    state.map((entry) => [entry.name, { shape: entry.shape, data: numbersOf(entry, params) }]),
  )
}

/** The numbers of a tensor in PyTorch's order. */
function numbersOf(entry: StateEntry, params: Float32Array): Float32Array {
  const { name, shape, offset } = entry
  const places = placesIn(entry)
  const size = shape.reduce((a, b) => a * b, 1)
  const last = offset + Math.max(places(size - 1), size - 1)
  if (!(last < params.length))
    fail(
      `readState.params must hold params_len numbers, ${name} up to number ${last}, got ` +
        `${params.length}`,
    )
  return Float32Array.from({ length: size }, (_, i) => params[offset + places(i)])
}
