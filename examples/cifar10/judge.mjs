// What a trained model is worth: accuracy, energy, and the size of the file that it is shipped as.
import * as sw from 'spikewasm'
import { mirrored } from './pictures.mjs'

/** Evaluates a model, and gives all outputs of it too, [pictures][classes]. */
async function answersOf(model, data) {
  let answers
  const keep = (all) => {
    answers = all
    return 0
  }
  const evaluation = await model.evaluate(data, { metrics: { keep } })
  return { ...evaluation, ...answers }
}

/**
 * `accuracy` is of each picture as it is. `mirroredAccuracy` is of the sum of the outputs for a
 * picture and for its mirror image: two predictions for an answer. Energy is of one prediction.
 */
export async function judge(model, data) {
  const plain = await answersOf(model, data)
  const other = await answersOf(model, mirrored(data))
  const classes = plain.outputs.length / plain.count
  const sums = plain.outputs.map((value, i) => value + other.outputs[i])
  const right = plain.labels.filter((label, i) => {
    const row = sums.subarray(i * classes, (i + 1) * classes)
    return row.indexOf(Math.max(...row)) === label
  })
  const fileBytes = (await sw.exportWasm(model)).length
  const { loss, accuracy, firingRates, operations } = plain
  return {
    ...{ accuracy, mirroredAccuracy: right.length / plain.count, loss, firingRates },
    ...{ microjoules: operations.energy.microjoules, fileBytes },
  }
}
