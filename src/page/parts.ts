/**
 * What belongs to the kinds of layers of a page's networks. A function that makes layers registers
 * the parts of its kind, so that a bundle holds those of the functions that it calls.
 */

import { SpikewasmError } from '../errors.js'
import type { Layer } from '../nn/layers/index.js'
import type { LayerKind } from '../nn/layers/kind.js'
import type { remake } from '../plan/checkpoints.js'
import type { LayerPlan } from '../plan/layers/layer.js'

/** What belongs to a kind of layer; the input, sums and joins have a plan alone. */
export interface Parts {
  /** A `LayerKind` of the kind. */
  readonly kind?: unknown
  /** Its `LayerPlan`. */
  readonly plan: unknown
}

const known = new Map<string, Parts>()
let remaker: typeof remake | undefined
let everyKind: ((kind: string) => Parts) | undefined

export function registerLayer(kind: string, parts: Parts): void {
  known.set(kind, parts)
}

/** What `gradientCheckpoint` needs. */
export function registerRemake(made: typeof remake): void {
  remaker = made
}

/** All kinds, for networks that come from files. */
export function registerAll(partsOf: (kind: string) => Parts): void {
  everyKind = partsOf
}

/** @throws SpikewasmError for a layer that none of the page's functions has made */
export function partsOf(kind: string): Parts {
  const found = known.get(kind) ?? everyKind?.(kind)
  if (found) return found
  throw new SpikewasmError(
    `the page has no layers of kind ${JSON.stringify(kind)} yet; make them by their function, as ` +
      "in lif(), or import 'spikewasm/layers', which has all kinds",
  )
}

/** @throws SpikewasmError where the page has nothing that makes activations again */
export function remaking(): typeof remake {
  if (remaker) return remaker
  throw new SpikewasmError(
    "gradientCheckpoint 'layers' needs what makes activations again, which this page does not " +
      "load; import 'spikewasm/layers', which has all that networks and options may ask for",
  )
}

/** A function that makes layers, with the parts of their kind. */
export const withParts = <L extends Layer, F extends (...of: never[]) => Layer>(
  make: F,
  kind: LayerKind<L>,
  plan: LayerPlan<L>,
): F =>
  ((...of: never[]) => {
    const layer = make(...of)
    registerLayer(layer.kind, { kind, plan })
    return layer
  }) as unknown as F
