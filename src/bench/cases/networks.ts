/** Training steps of every method, and predictions. */

import type { Benchmark, Build, Prepared, Selection } from '../benchmark.js'
import * as networks from '../networks.js'

export const TIME_STEPS: readonly number[] = [1, 2, 4, 8, 16]
const USUAL_TIME_STEPS = 4

/** On one thread, and on the largest number. */
const onThreads = (
  selection: Selection,
  name: string,
  setting: Omit<networks.Setting, 'threads'>,
) =>
  [...new Set([1, selection.threads])].map(
    (threads): Benchmark => ({
      name: threads > 1 ? `${name} threads ${threads}` : name,
      section: setting.purpose ?? 'steps',
      threads,
      work: { amount: setting.batchSize, unit: 'images' },
      prepare: (build) => prepare(build, { ...setting, threads }, selection.quick),
    }),
  )

/**
 * All methods at the wanted T. Without one: all at T = 4, and rate m and bptt m at every T; all of
 * methods × T for a named model.
 */
export const stepBenchmarks = (selection: Selection): Benchmark[] =>
  networks.chooseModels(selection.model, selection.quick).flatMap((model) =>
    networks.methods.flatMap((choice) => {
      const { timeSteps: T, batchSize = networks.batchOf(model), quick } = selection
      const few = quick || (selection.model === undefined && choice.stepMode === 's')
      return (T ? [T] : few ? [USUAL_TIME_STEPS] : TIME_STEPS).flatMap((timeSteps) => {
        const name = `train ${model} ${networks.describeMethod(choice)} B${batchSize} T${timeSteps}`
        return onThreads(selection, name, { model, choice, timeSteps, batchSize })
      })
    }),
  )

export const inferenceBenchmarks = (selection: Selection): Benchmark[] =>
  networks.chooseModels(selection.model, selection.quick).flatMap((model) => {
    const { timeSteps = USUAL_TIME_STEPS, batchSize = 1 } = selection
    const setting = { model, choice: networks.methods[0], timeSteps, batchSize }
    const name = `predict ${model} B${batchSize} T${timeSteps}`
    return onThreads(selection, name, { ...setting, purpose: 'inference' })
  })

/**
 * Steps at learning rate 0, so that weights and with them firing rates stay what they are: trained,
 * and the same ones in all builds.
 */
async function prepare(build: Build, setting: networks.Setting, quick: boolean): Promise<Prepared> {
  const state = await networks.trainedWeights(setting.model, quick)
  const model = await networks.compileWith(build.sw, setting)
  try {
    model.loadStateDict(state)
  } catch (error) {
    await model.dispose()
    throw error
  }
  const { x, y } = networks.makeBatch(setting.batchSize)
  return {
    run: setting.purpose ? () => model.predict(x) : () => model.trainStep(x, y, { lr: 0 }),
    get density() {
      return `rate ${networks.describeRates(model.firingRates())}`
    },
    dispose: () => model.dispose(),
  }
}
