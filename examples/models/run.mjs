// What the programs of this folder share: --out FOLDER [--seed 0] trains a network and writes
// weights.safetensors and result.json; --judge FILE opens one. Both print what it is worth.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadModel } from 'spikewasm'

const percent = (share) => `${(100 * share).toFixed(1)} %`

/** `train` gets the seed and gives a model, `judge` an evaluation of it, `say` its accuracy. */
export async function run({ train, judge, say }) {
  const text = { type: 'string' }
  const { values } = parseArgs({ options: { out: text, judge: text, seed: text } })
  const { out, judge: file, seed = '0' } = values
  if (out === undefined && file === undefined)
    throw new Error('--out must name a folder, or --judge a file')
  const model = file === undefined ? await train(Number(seed)) : await loadModel(file)
  const found = await judge(model)
  if (out !== undefined) {
    mkdirSync(out, { recursive: true })
    await model.save(join(out, 'weights.safetensors'))
    writeFileSync(join(out, 'result.json'), `${JSON.stringify(found, null, 2)}\n`)
  }
  await model.dispose()
  const { firingRates, operations } = found
  const nanojoules = (1000 * operations.energy.microjoules).toPrecision(3)
  console.log(say(found))
  console.log(`spikes ${Object.values(firingRates).map(percent).join(', ')}, ${nanojoules} nJ`)
}
