/** What planning asks of a kind of loss. */

import type { GraphNode } from '../../graph/trace.js'
import type { PlanOptions } from '../context.js'
import type { LossKind } from '../emit-loss.js'
import type { Pass } from '../pass.js'
import type { Expression } from '../tensors.js'

/** An output besides the last. */
export interface Exit {
  readonly name: string
  readonly value: Expression
}

/** The end of a network. */
export interface End {
  readonly pass: Pass
  readonly node: GraphNode
  readonly x: Expression
  readonly others: readonly Exit[]
}

export interface LossPlan<L> {
  /** @throws SpikewasmError for a network or a method that it is not defined for */
  check?(loss: L, options: PlanOptions): void
  /** @param online whether each call of the network has a gradient of its own */
  kindOf(loss: L, options: PlanOptions, online: boolean): LossKind
  /** Where training is not by the last output alone. */
  lower?(end: End, loss: L): void
}
