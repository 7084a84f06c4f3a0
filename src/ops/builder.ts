/** What an op says about itself while it is planned. */

import type { Control } from '../../assembly/opcodes.js'
import { ProgramBuilder } from '../compile/program.js'
import type { OpTensor, Totals, Views } from './tensor.js'

/** Numbers that may differ from run to run, such as a learning rate: what `run` takes last. */
export type Settings = Readonly<Record<string, unknown>>

/** Writes numbers into the control block, by `Control`. */
export interface ControlBlock {
  word(offset: Control, value: number): void
  float(offset: Control, value: number): void
  /** The address of a tensor. */
  address(offset: Control, tensor: OpTensor): void
}

/** An op as planned: its tensors, in the order of `run`'s arguments and of its results. */
export interface Planned {
  readonly inputs: readonly OpTensor[]
  readonly outputs: readonly OpTensor[]
  /** Tensors whose memory the plan shows, such as counts beside masks. */
  readonly shown: readonly OpTensor[]
  /** The name of the algorithm that was taken, where there is a choice. */
  readonly algorithm?: string
  /** What has to be worked out from the arguments on this side; before each run. */
  readonly before?: (views: Views, totals: Totals, settings: Settings) => void
  /** Writes what all runs find in the control block. */
  readonly start?: (block: ControlBlock) => void
  /** What runs find set before one says otherwise. */
  readonly settings?: Settings
  /** Checks settings and writes what they say, before the first run and with each one. */
  readonly control?: (block: ControlBlock, settings: Settings) => Settings
}

/** Collects the records and buffers of one op. */
export class OpBuilder {
  readonly b = new ProgramBuilder()
  /** Tensors, as they are made. */
  readonly made: Record<string, OpTensor> = {}

  /** @param op the name of the op, with which messages begin */
  constructor(
    readonly op: string,
    /** Names of the results that a run returns. */
    readonly asked: ReadonlySet<string> = new Set(),
  ) {
    this.b.program(op)
  }
}
