// What the figures of this lesson show, by runs in Node when the site is built.
import { datasets, evaluateNet, exportWasm, netInfo, openNet } from 'spikewasm'
import neuron from '../neuron/run.data.js'
import { answersOf, trained } from './file.js'
import { open } from './host.js'

export default {
  async load() {
    const { test } = await datasets.digits()
    const { digits, trained: first } = await neuron.load()
    const model = await trained()
    const hash = { model: await answersOf(async (x) => (await model.predict(x)).logits) }
    const shown = { parts: {}, memory: {}, accuracy: {}, hash }
    for (const name of ['f32 scalar', 'f32 simd', 'int8 scalar', 'int8 simd']) {
      const [weights, target] = name.split(' ')
      const bytes = await exportWasm(model, { weights, target })
      const { weightBytes, usedBytes } = netInfo(bytes)
      hash[name] = await answersOf(await open(bytes))
      shown.parts[name] = [weightBytes / 1000, (bytes.length - weightBytes) / 1000]
      shown.memory[name] = usedBytes / 1000
      shown.accuracy[name] = (await evaluateNet(await openNet(bytes), test)).accuracy
      shown.base64 = Buffer.from(bytes).toString('base64')
    }
    const { normalization } = test.pixels
    return { ...shown, normalization, outputs: first.logits, digits: digits.slice(0, 12) }
  },
}
