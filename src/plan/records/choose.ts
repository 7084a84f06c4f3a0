/** The choice between kernels by how many spikes there are. */

import { ChooseWord, Op, SpikeSumWord } from '../../../assembly/opcodes.js'
import { entries, number, numberIf, reads, record, writes } from './schema.js'

/** The spikes of one tensor. */
export const spikeSum = { sums: reads(SpikeSumWord.Sums), units: number(SpikeSumWord.Units) }

export const choose = record(Op.Choose, {
  out: writes(ChooseWord.Out),
  sources: entries(ChooseWord.Sources, spikeSum, SpikeSumWord.Bytes),
  sourceCount: number(ChooseWord.SourceCount),
  limit: number(ChooseWord.Limit),
  callSteps: numberIf(ChooseWord.CallSteps),
})
