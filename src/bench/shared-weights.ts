/** Trained weights that processes of a comparison hand over as files. */
import { join } from 'node:path'
import { kindOfPath, readFileClear, writeFileAtomic } from '../io/files.js'
import { parseState, serializeState } from '../io/state.js'
import { findWeightsBy } from './weights.js'

interface Place {
  /** Where other processes look for weights, and leave them. */
  readonly folder: string
  /** Called behind each step of a training. */
  onStep(): void
}

/** From now on weights are shared with other processes. */
export function shareWeights({ folder, onStep }: Place): void {
  findWeightsBy(async (key, train) => {
    const path = join(folder, `${key}.safetensors`)
    if ((await kindOfPath(path)) === 'file')
      return parseState(await readFileClear(path, 'trained weights'), path)
    const state = await train(onStep)
    await writeFileAtomic(path, serializeState(state))
    return state
  })
}
