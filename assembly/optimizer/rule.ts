/** Steps by rules that are texts. */

import { sumLanes } from '../base/lanes'
import { RuleStepRecord } from '../generated/records'
import { Control } from '../opcodes'

/** Floats that the function goes through together: its rows. */
const ROW = 16

/**
 * Parameters and states change by the function of the table that was made for the rule: (record,
 * first row, end, t, scratch), which leaves at the start of scratch for how many parameters a value
 * would not be finite. These stay as they are.
 *
 * Unit = perUnit floats, a multiple of a row. When the loss is not finite nothing changes.
 */
export function ruleStep(rec: RuleStepRecord, unit: i32, t: i32, scratch: usize): void {
  const first = <u32>unit * <u32>rec.perUnit
  const end = min(first + <u32>rec.perUnit, <u32>rec.count)
  if (first >= end || !isFinite(load<f32>(Control.Loss))) return
  call_indirect<u32>(rec.kernel, changetype<usize>(rec), first / ROW, end / ROW, t, scratch)
  if (sumLanes(v128.load(scratch))) store<u32>(Control.NonFinite, 1)
}
