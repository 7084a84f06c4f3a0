/**
 * Networks written as a text: layers in their order, each with its arguments and options, as in
 *
 *   'conv 12 3 padding=1 bias=false, norm, lif vReset=null, maxPool2d 2x1, flatten, linear 10'
 *
 * What a layer takes in follows from the layer before it: `conv`, `norm` and `linear` are those of
 * an image, a series or flat values, with its channels or features. `2x1` is a list of numbers.
 */

import * as api from '../../src/index.js'
import { trace } from '../../src/network/trace.js'
import type { InputShape } from '../../src/network/value.js'
import { modelOf } from './models.js'

type Make = (...args: unknown[]) => api.Layer

const argumentOf = (word: string): unknown => {
  if (/^[-\d.e]+(x[-\d.e]+)+$/.test(word)) return word.split('x').map(Number)
  if (/^(true|false|null|-?[\d.].*)$/.test(word)) return JSON.parse(word)
  return word
}

/** What a text calls by names of its own, of the channels that come in and its arguments. */
type Own = Readonly<Record<string, (channels: number, ...args: number[]) => api.Module>>

/** The layers of a text. */
export function layersOf(input: InputShape, text: string, own: Own = {}): api.Layer[] {
  const layers: api.Module[] = []
  for (const entry of text.split(',')) {
    const [kind, ...words] = entry.trim().split(/\s+/)
    const given = words.filter((word) => !word.includes('=')).map(argumentOf)
    const options = words.filter((word) => word.includes('=')).map((word) => word.split('='))
    const { nodes, output } = trace(api.sequential(api.identity(), ...layers), input)
    const { shape, flat } = nodes[output]
    const axes = input.length === 2 ? '1d' : '2d'
    const features = shape.reduce((a, b) => a * b, 1)
    const [name, ...args] = {
      conv: [`conv${axes}`, shape[0], ...given],
      transposed: [`convTranspose${axes}`, shape[0], ...given],
      norm: [`batchNorm${flat ? '1d' : axes}`, flat ? features : shape[0]],
      linear: ['linear', features, ...given],
      groupNorm: ['groupNorm', given[0], shape[0]],
    }[kind] ?? [kind, ...(kind in own ? [shape[0]] : []), ...given]
    const make = { ...(api as object), ...own }[name as string] as Make
    if (options.length > 0)
      args.push(Object.fromEntries(options.map(([key, value]) => [key, argumentOf(value)])))
    layers.push(make(...args))
  }
  return layers as api.Layer[]
}

/** A chain of the layers of a text. */
export const netOf = (...of: Parameters<typeof layersOf>): api.Block =>
  api.sequential(...layersOf(...of))

/** Compiles the network of a text for the input of the options. */
export const compileNet = (
  text: string,
  options: api.CompileOptions,
  own?: Own,
): Promise<api.Model> => modelOf(netOf(options.input, text, own), options)
