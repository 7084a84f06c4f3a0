/** `spikewasm show --trace` beside the states of the same model. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  datasets,
  flatten,
  type Layer,
  leakyIntegrator,
  lif,
  linear,
  neuron,
  sequential,
} from '../../src/index.js'
import { inFolder, parseLines } from './in-process.js'

const network = () =>
  sequential(flatten(), linear(64, 9), lif({ tau: 2 }), linear(9, 10), leakyIntegrator())

test('show --trace draws what a model records', () =>
  inFolder(async (folder, { run, succeed, refuse }) => {
    const shared = { input: [1, 8, 8], timeSteps: 6, seed: 3 } as const
    const model = await network().compile({ ...shared, batchSize: 1, record: 'all' })
    await model.save(join(folder, 'net.safetensors'))
    const image = new Float32Array(64)
    const data = (await datasets.digits()).test
    data.read(2, image)
    await model.predict(image)
    const show = 'show --trace --weights net.safetensors --sample 2'
    const told = await succeed(`${show} --neuron 4,0 --json --out page.html`)
    const [{ traces, sample }] = parseLines(told.stdout)
    const { potential, threshold, spike } = model.states('2')
    await model.dispose()
    const of = ({ data }: { data: Float32Array }, n: number) =>
      [...data].filter((_, i) => i % 9 === n)
    assert.is(sample, 2)
    assert.equal(
      traces,
      [4, 0].map((neuron) => ({
        layer: '2',
        neuron,
        title: `layer 2, neuron ${neuron}`,
        potential: of(potential, neuron),
        threshold: of(threshold, neuron),
        spikes: of(spike, neuron),
      })),
    )
    const html = await readFile(join(folder, 'page.html'), 'utf8')
    assert.match(html, /"name":"threshold","x":\[0,1,2,3,4,5\],"y":\[1,1,1,1,1,1\],"dash":true/)
    assert.not.match(html, /src=|href=/)

    const text = await run(`${show} --layer 4`, { columns: undefined })
    assert.match(text.stdout, /\n\nlayer 4, neuron 0\n/)
    assert.is(text.stdout.match(/\*/g)?.length, 6)
    assert.not.match(text.stdout, /spikes/)
    const wrong: readonly [string, RegExp][] = [
      ['--sample 355', /--sample must be an integer from 0 to 354, got 355/],
      ['--layer 1', /--layer must be one of 2, 4, got 1/],
      ['--neuron 9', /--neuron must be from 0 to 8 in layer 2, got 9/],
      ['--frames 3', /--frames must be left out with --trace, got 3/],
      ['x.bin', /no recording must be given with --trace, got x.bin/],
    ]
    for (const [more, message] of wrong) await refuse(`${show} ${more}`, message)
  }))

test('numbers that are none have no place in the picture; without neurons there is none', () =>
  inFolder(async (folder, { run }) => {
    const shown = async (...last: Layer[]) => {
      const net = sequential(flatten(), linear(64, 10), ...last)
      const model = await net.compile({ input: [1, 8, 8], timeSteps: 8, seed: 3 })
      await model.save(join(folder, 'net.safetensors'))
      await model.dispose()
      return run('show --trace --weights net.safetensors')
    }
    for (const text of ['v = 9*v*v + x + 9; spike = v >= 1', 'v = v + log(-1); spike = 1 >= v']) {
      const { code, stdout } = await shown(neuron(text))
      assert.is(code, 0)
      assert.match(stdout, /layer 2, neuron 0[\s\S]*spikes [.|]+/)
    }
    const { code, stderr } = await shown()
    assert.is(code, 1)
    assert.match(stderr, /show --trace: the network has no layers of neurons/)
  }))

test.run()
