/** Tensors of a few ops: choices of max pooling, classes, statistics, control words. */

import type { Control } from '../../assembly/opcodes.js'
import { expect } from '../errors.js'
import { storedChannels } from '../plan/layout.js'
import type { ProgramBuilder } from '../plan/program.js'
import { stepBytesFromEngine, stepBytesToEngine } from './reorder.js'
import { type Extent, sizeOf } from './shapes.js'
import {
  channelTensor,
  floatTensor,
  type Naming,
  type OpTensor,
  plainTensor,
  tensorOfBuffer,
  type Values,
  type ValueType,
  type Views,
} from './tensor.js'

/** Bytes [B][T][C][H][W] ↔ [B][H][W][T][C′], such as choices at each step. */
export function stepBytesTensor(b: ProgramBuilder, naming: Naming, extent: Extent): OpTensor {
  const { T, B, C, H, W, shape } = extent
  const stored = storedChannels(C)
  const sizes = [B, H, W, T, stored]
  const buffer = b.buffer(naming.name, sizeOf(sizes), 'input')
  const own = (views: Views): Uint8Array => views(buffer, 'uint8', sizeOf(sizes)) as Uint8Array
  return {
    ...naming,
    type: 'uint8',
    shape,
    order: '[B][H][W][T][C]',
    sizes,
    buffer,
    stored,
    pack: (values, views) => stepBytesToEngine(extent, stored, values as Uint8Array, own(views)),
    unpack: (views) => stepBytesFromEngine(extent, stored, own(views)),
  }
}

/** A vector over the channels, or one for each step where these have statistics of their own. */
export function groupTensor(
  b: ProgramBuilder,
  naming: Naming,
  { T, C }: Extent,
  byStep: boolean,
): OpTensor {
  if (!byStep) return channelTensor(b, naming, C)
  const shape = [T, C]
  return floatTensor(b, naming, { shape, timed: true, T, B: 1, C, H: 1, W: 1 })
}

/** Classes i32 [B], each below `classes`: a kernel finds a logit by it. */
export interface ClassTensor extends OpTensor {
  readonly check: (values: Values) => void
  /** The same of what the plan's memory holds. */
  checkOwn(views: Views): void
}

export function classTensor(
  b: ProgramBuilder,
  op: string,
  naming: Naming,
  batch: number,
  classes: number,
): ClassTensor {
  const tensor = plainTensor(b, naming, [batch], 'int32')
  const check = (values: Values): void => {
    let at = 0
    while (at < batch && values[at] >= 0 && values[at] < classes) at++
    expect(
      at === batch,
      () =>
        `${op}: ${naming.name} must hold classes from 0 to ${classes - 1}, got ${values[at]} at ` +
        `index ${at}`,
    )
  }
  return { ...tensor, check, checkOwn: (views) => check(views(tensor.buffer, 'int32', batch)) }
}

/** A word of the control block. */
export function controlTensor(naming: Naming, at: Control, type: ValueType): OpTensor {
  const { name } = naming
  const placed = { purpose: 'statistics', persistent: true, first: 0, last: 0 } as const
  return tensorOfBuffer({ ...placed, name, bytes: 4, address: at }, naming, [1], type)
}
