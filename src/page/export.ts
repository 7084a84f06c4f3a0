/** `exportWasm` as a page exports it: with what weights of one byte need. */

import * as edge from '../edge/export.js'
import * as plans from '../plan/int8.js'
import { registerInt8 } from './int8.js'

export const exportWasm = ((...of: Parameters<typeof edge.exportWasm>) => {
  registerInt8(plans.int8())
  return edge.exportWasm(...of)
}) as typeof edge.exportWasm
