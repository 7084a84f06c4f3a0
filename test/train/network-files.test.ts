/**
 * Networks with several outputs, cells, recurrent layers, normalisations over groups and stabilised
 * neurons: in model files, resumed trainings, exported files and streams they have the same bits,
 * or are refused by name.
 */

import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { openNet } from '../../src/edge/net.js'
import * as api from '../../src/index.js'
import { expectRefusal, withFolder } from '../files/temporary.js'
import { differing, numbers, shake, uniform } from '../support/exported.js'
import { learnSame } from '../support/learning.js'
import { expectSameBits } from '../support/measure.js'
import { modelOf, own, test } from '../support/models.js'
import { netOf } from '../support/net.js'
import { toy, toyNet, toyShape } from '../support/toy.js'
import { collect } from '../support/trainings.js'

const size = 60
const body = 'conv 9 3 padding=1, norm'
const head = 'flatten, linear 4'

const distilled = (): api.Module =>
  api.block(
    {
      conv: toyNet(body),
      fire: api.lif(),
      rate: api.timeMean(),
      branch: netOf([9, 6, 5], head),
      end: netOf([9, 6, 5], `conv 9 3 padding=1, lif, ${head}`),
    },
    (m, x) => {
      const s = m.fire(m.conv(x))
      return { exit: m.branch(m.rate(s)), output: m.end(s) }
    },
  )

interface Case {
  readonly network: string | api.Module
  readonly options?: Partial<api.CompileOptions>
  /** How a file that learns is refused. */
  readonly learning?: RegExp
  /** How a stream is refused. */
  readonly stream?: RegExp
}

const cells = {
  learnsTau: () => api.plif({ learn: ['tau'] }),
  learnsBoth: () => api.cubaLif({ learn: ['tau', 'tauSyn'], refractory: 1 }),
  hears: () => api.recurrent(api.lif()),
  hearsCuba: () => api.recurrent(api.cubaLif()),
}
const cases: Readonly<Record<string, Case>> = {
  'several outputs': {
    network: distilled(),
    options: { loss: api.selfDistillation({ beta: 0.4 }) },
    learning: /^exportWasm: a file that learns has .* got loss selfDistillation/,
  },
  timeMean: {
    network: `${body}, lif, timeMean, ${head}`,
    stream: /^3 \(timeMean\): needs all steps of a sample at once, which /,
  },
  os: { network: `${body}, stabilizedLif, ${head}`, options: { method: 'os' } },
  'cells, rate': { network: `${body}, learnsTau, conv 9 1, alif, ${head}` },
  'cells, bptt': {
    network: `conv 9 3 padding=1, learnsBoth, conv 9 1, alif tau=3, ${head}, leakyIntegrator tau=4`,
    options: { method: 'bptt' },
  },
  recurrent: { network: 'flatten, linear 12, hears, linear 4', options: { method: 'bptt' } },
  'recurrent, sltt': {
    network: 'flatten, linear 12, hearsCuba, linear 4',
    options: { method: 'sltt' },
  },
  'groupNorm, layerNorm': {
    network: `conv 9 3 padding=1, groupNorm 3, lif, maxPool2d 2, conv 8 1, layerNorm 8x3x2, lif,
      flatten, linear 4`,
  },
}

const compiled = (
  { network, options }: Case,
  more: Partial<api.CompileOptions> = {},
): Promise<api.Model> =>
  modelOf(typeof network === 'string' ? netOf(toyShape, network, cells) : network, {
    input: toyShape,
    batchSize: 4,
    timeSteps: 4,
    seed: 3,
    ...options,
    ...more,
  })
const data = toy(12, 1).data

for (const [name, each] of Object.entries(cases)) {
  test(`${name}: saved and loaded, the same outputs`, () =>
    withFolder(async (folder) => {
      const model = await compiled(each)
      await shake(model, numbers(5))
      const path = join(folder, 'model.safetensors')
      await model.save(path)
      const x = uniform(numbers(6), 3 * size)
      const right = await model.predict(x)
      for (const purpose of ['train', 'inference'] as const) {
        const again = await own(api.loadModel(path, { purpose }))
        const { logits, classes } = await again.predict(x)
        assert.is(differing(logits, right.logits), 0, purpose)
        assert.equal(classes, right.classes)
        await again.dispose()
      }
    }))

  test(`${name}: a training that goes on ends with the same bits`, async () => {
    const options = { epochs: 2, optimizer: api.adam({ lr: 0.01 }) }
    const model = await compiled(each)
    const { callback, files } = collect('step')
    await model.fit(data, { ...options, callbacks: [callback] })
    const again = await compiled(each)
    await again.fit(data, { ...options, resume: await files[1]() })
    expectSameBits(name, again.stateDict(), model.stateDict())
  })

  test(`${name}: exported, and as a stream, the same outputs`, async () => {
    const model = await compiled(each)
    await shake(model, numbers(5))
    const x = uniform(numbers(6), size)
    const { logits } = await model.predict(x)
    const whole = await openNet(await api.exportWasm(model))
    whole.input.set(x)
    whole.infer()
    assert.is(differing(whole.output, logits), 0)
    const asStream = async () => {
      const stream = await compiled(each, { purpose: 'stream', batchSize: 1 })
      stream.loadStateDict(model.stateDict())
      for (let t = 1; t < 4; t++) await stream.step(x)
      const { logits } = await stream.step(x)
      await stream.dispose()
      return logits
    }
    const { stream: refusal } = each
    if (refusal) {
      await expectRefusal(asStream, refusal)
      for (const mode of ['step', 'both'] as const)
        await expectRefusal(() => api.exportWasm(model, { mode }), refusal)
    } else {
      const net = await openNet(await api.exportWasm(model, { mode: 'step' }))
      net.input.set(x)
      for (let t = 0; t < 4; t++) net.step()
      const streamed = await asStream()
      assert.is(differing(net.output, streamed), 0)
      // Other kernels add in another order where the model has all steps at once.
      for (const [i, value] of streamed.entries())
        assert.ok(Math.abs(value - logits[i]) <= 2e-6 * (1 + Math.abs(value)), `${value}`)
    }
  })

  test(`${name}: a file that learns has the bits of trainStep, or is refused`, async () => {
    const model = await compiled(each)
    model.optimizer = api.sgd({ lr: 0.05 })
    if (each.learning) {
      const exported = () => api.exportWasm(model, { mode: 'train' })
      await expectRefusal(exported, each.learning)
    } else await learnSame(model, numbers(7), 3)
  })
}

test.run()
