/** What losses of rates and of counts are taken of. */

import type { LossOf } from '../../loss/index.js'
import { isLong, type PlanOptions } from '../context.js'

/** What an output is multiplied with, and wanted rates. */
export function scalesOf(
  of: LossOf,
  options: PlanOptions,
  online: boolean,
): { readonly factor: number; readonly outputScale: number | undefined } {
  const { timeSteps } = options
  const factor = of === 'counts' && timeSteps > 1 ? timeSteps : 1
  const scale = factor / (isLong(options) && !online ? timeSteps : 1)
  return { factor, outputScale: scale === 1 ? undefined : scale }
}
