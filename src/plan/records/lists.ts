/** The weight's gradient from lists of active neurons. */

import { ListWord, Op } from '../../../assembly/opcodes.js'
import { sizes, window } from './conv.js'
import { f32, flagIf, number, reads, record, writes, writesOrAdds } from './schema.js'

const shared = {
  ...sizes('images', 'steps', 'inH', 'inW', 'inC', 'outH', 'outW', 'outC', ...window),
  imagesPerGroup: number(ListWord.ImagesPerGroup),
}

export const rateLists = record(Op.RateLists, {
  ...shared,
  counts: reads(ListWord.Counts),
  mostCounted: number(ListWord.MostCounted),
  delta: reads(ListWord.Delta),
  grids: writes(ListWord.Grids),
  lists: writes(ListWord.Lists),
  listPointers: writes(ListWord.ListPointers),
})

/** Reads the lists where their pointers lead: the word itself only keeps them alive. */
export const listWeightGradient = record(Op.ListWeightGradient, {
  ...shared,
  ...sizes('blockWidth', 'kRows'),
  grids: reads(ListWord.Grids),
  lists: reads(ListWord.Lists),
  listPointers: reads(ListWord.ListPointers),
  inCPerUnit: number(ListWord.InCPerUnit),
  scale: f32(ListWord.Scale),
  out: writesOrAdds(ListWord.Out, 'accumulate'),
  accumulate: flagIf(ListWord.Accumulate),
})
