/** Data that a loss can be trained with, and data that it cannot be, for types.test.ts. */
import * as api from 'spikewasm'

const numbers = new Float32Array(8)
const labels = [0, 1]
const shape = [4] as const
const network = api.sequential(api.linear(4, 2))
const labelled = api.fromArrays({ inputs: numbers, labels, classes: 2, shape })
const valued = api.fromArrays({ inputs: numbers, targets: numbers, shape })
const both = api.fromArrays({ inputs: numbers, labels, classes: 2, targets: numbers, shape })
const values = api.mse({ targets: 'values' })
const steps = api.crossEntropy({ targets: 'steps', ignore: -1 })
const own = api.custom(() => ({ loss: 0, gradient: numbers }), { targets: 3 })
const byText = api.custom('(y - target)^2', { targets: 'values' })
const text: api.Loss | string = byText as api.Loss | string
const classes = api.crossEntropy({ labelSmoothing: 0.1 })

export async function losses(model: api.Model, some: api.Dataset, any: api.Loss): Promise<void> {
  await model.fit(labelled)
  await model.fit(labelled, { loss: classes })
  await model.fit(labelled, { loss: api.mse() })
  await model.fit(valued, { loss: values })
  await model.fit(valued, { loss: steps, epochs: 2 })
  await model.fit(valued, { loss: own })
  for (const loss of [values, classes, any]) await model.fit(both, { loss })
  for (const data of [labelled, valued, some]) await model.fit(data, { loss: any })
  await model.fit(some, { loss: values })
  await model.fit(some, { loss: classes })
  // @ts-expect-error values for data with labels alone
  await model.fit(labelled, { loss: values })
  // @ts-expect-error numbers of a loss function for data with labels alone
  await model.fit(labelled, { loss: own })
  // @ts-expect-error classes of each step for data with labels alone
  await model.fit(api.augment(api.subset(labelled, 1), { flip: true }), { loss: steps })
  // @ts-expect-error a data set of the package has labels alone
  await model.fit((await api.datasets.digits()).train, { loss: api.mse({ targets: 'steps' }) })
  // @ts-expect-error labels for data with targets alone
  await model.fit(valued, { loss: classes })
  await model.fit(labelled, { loss: '(y - target)^2', validation: labelled })
  await model.fit(valued, { loss: byText, validation: both })
  await model.fit(valued, { loss: text })
  await model.fit(labelled, { validation: some, loss: byText as api.TextLoss })
  // @ts-expect-error values for data with labels alone
  await model.fit(labelled, { loss: byText })
  // @ts-expect-error a text is told labels
  await model.fit(valued, { loss: '(y - target)^2' })
  // @ts-expect-error so is custom of it
  await model.fit(valued, { loss: api.custom('(y - target)^2') })
  // @ts-expect-error validation data lack labels
  await model.fit(labelled, { loss: classes, validation: valued })
  // @ts-expect-error validation data lack targets
  await model.fit(valued, { loss: values, validation: labelled })
  // @ts-expect-error labels for a part of them
  await model.fit(api.subset(valued, 1), { loss: api.tet() })
}

export async function models(options: api.CompileOptions): Promise<void> {
  const plain: api.Model = await network.compile(options)
  await plain.fit(valued)
  const byValues = await network.compile({ input: shape, loss: values })
  await byValues.fit(valued)
  await byValues.fit(both, { epochs: 2 })
  await byValues.fit(labelled, { loss: classes })
  await byValues.trainStep(numbers, numbers)
  // @ts-expect-error labels for a loss of values
  await byValues.trainStep(numbers, labels)
  // @ts-expect-error labels alone, for a model compiled for values
  await byValues.fit(labelled)
  const byLabels = await api.compile(network, { input: shape, loss: classes })
  await byLabels.fit(labelled, { epochs: 2 })
  await byLabels.trainStep(numbers, labels)
  // @ts-expect-error targets alone, for a model compiled for labels
  await byLabels.fit(valued)
  const byDefault = await network.compile({ input: shape, batchSize: 2 })
  await byDefault.fit(labelled, { epochs: 2, validation: both })
  await byDefault.fit(labelled as api.Dataset, { validation: valued as api.Dataset })
  await byDefault.fit(valued, { loss: values, validation: valued })
  // @ts-expect-error targets alone, for a model of the default loss, which is told labels
  await byDefault.fit(valued)
  // @ts-expect-error validation data without labels
  await byDefault.fit(labelled, { validation: valued })
  const texts = await network.compile({ input: shape, loss: '(y - target)^2' })
  await texts.fit(labelled)
  // @ts-expect-error targets alone, for a text
  await texts.fit(valued)
  for (const model of [plain, byValues, byLabels, byDefault, texts] satisfies api.Model[])
    await model.dispose()
}

type Records = Record<string, Float32Array>
const one = ({ outputs }: api.LossBatch) => ({ loss: 0, gradient: outputs.map((z) => 2 * z) })
const several = ({ outputs: { actions, value } }: api.LossBatch<'labels', Records>) => ({
  loss: value.length,
  gradient: { actions: actions.map(() => 0), value: Float64Array.from(value) },
})

export async function outputs(model: api.Model, x: Float32Array): Promise<void> {
  const loss = api.custom(
    ({ outputs, targets }) => ({
      loss: 0,
      gradient: Float64Array.from(outputs, (z, i) => z - targets[i]),
    }),
    { targets: 3 },
  )
  await model.fit(valued, { loss })
  for (const own of [api.custom(one), api.custom(several), loss])
    await model.fit(both, { loss: own })
  await api.checkGradient(({ outputs }) => ({ loss: 0, gradient: outputs.slice() }), x, x)
  await api.checkGradient(one, x, x)
  await api.checkGradient(several, { actions: x, value: x }, x)
  await api.checkGradient(loss, x, x)
  // @ts-expect-error one array for a function of several
  await api.checkGradient(several, x, x)
  const out = await model.forward(x)
  await model.backward(out.map((z) => z / out.length))
  const { actions, value } = await model.forward<Records>(x)
  await model.backward({ actions, value: value.map((z) => z) })
  // @ts-expect-error a network of one output gives no record
  const { early }: Records = await model.forward<Float32Array>(x)
  await model.backward(early)
  for await (const { outputs, backward } of model.calls(x)) await backward(outputs.map((z) => z))
  for await (const { outputs, backward } of model.calls<Records>(x))
    await backward({ actions: Object.values(outputs)[0] })
}
