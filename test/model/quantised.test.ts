/** What users see of weights of whole numbers: numbers, files, what they say, what is refused. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { modelJson } from '../../src/files/json.js'
import { parseState } from '../../src/files/state.js'
import * as api from '../../src/index.js'
import { identityOf } from '../../src/train/snapshot.js'
import { expectRefusal, expectRefusals, withFolder } from '../files/temporary.js'
import { expectPresent, mostOf, quantised, rounded } from '../support/integers.js'
import { expectSameBits } from '../support/measure.js'
import { modelOf, own, test } from '../support/models.js'
import { compileToy, toy, toyNet, toyShape } from '../support/toy.js'
import { onPlatform, page } from '../support/web-worker.js'

const { data: train, images } = toy(32, 1)

const NET =
  'conv 8 3 padding=1, norm, lif vThreshold=0.3, conv 8 3 groups=8, lif vThreshold=0.1, conv 6 1, ' +
  'lif vThreshold=0.1, flatten, linear 4'
const compiled = (options: Partial<api.CompileOptions> = {}, net = NET): Promise<api.Model> =>
  compileToy({ weights: 'int8', ...options }, net)

test('quantised gives whole numbers of the present parameters, in turn, as copies', async () => {
  const model = await compiled({ threads: 2 }, NET.replace('conv 8 3 groups=8', 'conv 8 3'))
  const before = await model.quantised()
  assert.equal(Object.keys(before), ['3.weight', '5.weight', '8.weight'])
  assert.equal(before['3.weight'].shape, [8, 8, 3, 3])
  const first = structuredClone(before)
  // It is asked while a training runs, and answers behind it.
  const running = model.fit(train, { optimizer: api.sgd({ lr: 0.3 }) })
  await expectRefusal(() => model.fit(train), 'running another call')
  const behind = await model.quantised()
  await running
  assert.equal(before, first)
  assert.not.equal(behind, before)
  await expectPresent('behind fit', model)
  const state = model.stateDict()
  state['5.weight'].data.fill(0, 0, 8)
  model.loadStateDict(state)
  const zero = (await model.quantised())['5.weight']
  assert.is(zero.scales[0], 0)
  assert.equal(zero.values.subarray(0, 8), new Int8Array(8))
  await expectPresent('a channel of zeros', model)
})

for (const type of ['int8', 'int6'] as const)
  test(`${type}: a layer may differ from the model, and JSON keeps it`, async () => {
    const other = type === 'int8' ? 'int6' : 'int8'
    const net = api.sequential(
      api.conv2d(2, 9, 3),
      api.lif({ vThreshold: 0.3 }),
      api.conv2d(9, 8, 1, { weights: other }),
      api.lif({ vThreshold: 0.1 }),
      api.flatten(),
      api.linear(8 * 4 * 3, 5, { weights: 'f32' }),
      api.lif(),
      api.linear(5, 4),
    )
    const model = await modelOf(net, { input: toyShape, batchSize: 4, weights: type })
    const again = await modelOf(api.networkFromJSON(JSON.stringify(model.toJSON())), {
      input: toyShape,
      weights: type,
    })
    for (const of of [model, again]) {
      const found = await of.quantised()
      assert.equal(Object.keys(found), ['2.weight', '7.weight'])
      const state = of.stateDict()
      for (const [name, as] of [
        ['2.weight', other],
        ['7.weight', type],
      ] as const) {
        const { shape, data } = state[name]
        const { values, scales } = quantised(data, shape[0], mostOf[as])
        assert.equal([[...found[name].values], [...found[name].scales]], [values, scales])
      }
    }
    const rows = model.summary().split('\n')
    const column = rows[0].indexOf('weights')
    const said = rows.slice(2, 10).map((row) => row.slice(column, column + 7).trim())
    assert.equal(said, ['', '', other, '', '', '', '', type])
    assert.match(model.summary(), /of these whole numbers +0\.00/)
    assert.not.match(model.summary(), /prepare/)
    const plain = await modelOf(toyNet(), { input: toyShape })
    assert.not.match(plain.summary(), /whole numbers|weights/)
  })

test('a layer alone may have whole numbers, in a model of floats', async () => {
  const net = 'conv 9 3, lif, flatten, linear 5 weights=int6, lif, linear 4'
  const model = await compileToy({}, net)
  assert.is(model.weightType, 'f32')
  assert.equal(Object.keys(await model.quantised()), ['3.weight'])
  const loaded = await own(api.loadModel(model.toBytes()))
  assert.equal(await loaded.quantised(), await model.quantised())
  const file = await api.exportWasm(model)
  assert.is(file.length > 0, true)
  const opened = await api.openNet(file)
  opened.input.set(images.subarray(0, opened.input.length))
  opened.infer()
  const { logits } = await model.predict(images.subarray(0, opened.input.length))
  assert.equal([...opened.output], [...logits])
})

test('files keep the type, options say another, and what is quantised stays so', () =>
  withFolder(async (folder) => {
    const model = await compiled({ weights: 'int6' })
    await model.fit(train, { optimizer: api.sgd({ lr: 0.3 }) })
    assert.is(model.weightType, 'int6')
    assert.is(modelJson(model.session).weights, 'int6')
    assert.not.ok('weights' in modelJson((await compiled({ weights: 'f32' })).session))
    const { logits } = await model.predict(images)
    const path = join(folder, 'model.safetensors')
    for (const isQuantised of [false, true]) {
      await model.save(path, { note: 'a' }, { quantised: isQuantised })
      const loaded = await own(api.loadModel(path))
      assert.is(loaded.weightType, 'int6')
      assert.equal((await loaded.predict(images)).logits, logits)
      assert.equal(await loaded.quantised(), await model.quantised())
      const floats = await own(api.loadModel(path, { weights: 'f32' }))
      assert.is(floats.weightType, 'f32')
      assert.is(Math.abs((await floats.predict(images)).logits[0] - logits[0]) < 1e-5, isQuantised)
    }
    const names = Object.keys(await model.quantised())
    const written = await model.toBytes({ note: 'a' }, { quantised: true })
    const state = parseState(written, 'the bytes')
    const other = await compiled({ weights: 'int8' })
    other.loadStateDict(state)
    expectSameBits('the file', other.stateDict(), rounded(model.stateDict(), names, 31))
    await model.save(path, { note: 'a' }, { quantised: true })
    assert.equal(new Uint8Array(await readFile(path)), written)
  }))

test('checkpoints and resume compare the type', () =>
  withFolder(async (folder) => {
    const model = await compiled()
    const dir = join(folder, 'run')
    const fitting: api.FitOptions = { epochs: 2, callbacks: [api.checkpoint({ dir })] }
    await model.fit(train, fitting)
    const file = join(folder, 'checkpoint')
    await model.saveCheckpoint(file)
    const again = await compiled()
    await again.loadCheckpoint(file)
    await expectPresent('behind loadCheckpoint', again)
    expectSameBits('checkpoint', again.stateDict(), model.stateDict())
    await again.fit(train, { ...fitting, resume: dir, callbacks: [] })
    const loaded = await own(api.loadModel(dir))
    assert.is(loaded.weightType, 'int8')
    assert.equal((await loaded.predict(images)).logits, (await model.predict(images)).logits)
    const floats = await compiled({ weights: 'f32' })
    const differs = /weights "int8" instead of "f32"/
    await expectRefusals([
      [() => floats.loadCheckpoint(file), differs],
      [() => floats.fit(train, { ...fitting, resume: dir }), differs],
    ])
    await floats.fit(train, { epochs: 1 })
    const before = join(folder, 'before')
    await floats.saveCheckpoint(before)
    await expectRefusal(() => again.loadCheckpoint(before), /weights "f32" instead of "int8"/)
    // Those of versions that had floats alone do not say it.
    const setting = { seed: 1, data: { name: 'a', length: 3 } }
    for (const [isSame, weights] of [
      [true, 'f32'],
      [false, 'int8'],
    ] as const)
      assert.is(
        JSON.stringify(identityOf(setting)) === JSON.stringify(identityOf({ ...setting, weights })),
        isSame,
      )
  }))

test('what cannot have whole numbers says so, by name', async () => {
  const floats = await compiled({ weights: 'f32' })
  const standardised = await compiled(
    {},
    'conv 5 3, lif, conv 6 3 standardise=true, lif, flatten, linear 4',
  )
  const disposed = await compiled()
  await disposed.dispose()
  const spikes = (layer: api.Module): Promise<api.Model> =>
    modelOf(
      api.sequential(api.conv2d(2, 4, 1), api.lif(), layer, api.flatten(), api.linear(48, 4)),
      { input: toyShape },
    )
  const inVain = (label: string): RegExp =>
    new RegExp(`^2 \\(${label}\\): weights must be left out here, got 'int8': it has `)
  await expectRefusals([
    [
      () => floats.quantised(),
      /^quantised needs .* has floats; compile it with weights: 'int8' or 'int6'/,
    ],
    [
      () => floats.toBytes({}, { quantised: true }),
      /^toBytes.quantised needs a model with weights of/,
    ],
    [
      () => floats.save('x', {}, { quantised: true }),
      /^save.quantised needs a model with weights of/,
    ],
    [
      () => floats.save('x', {}, { quantised: 1 as never }),
      /^save.quantised must be true or false, got 1/,
    ],
    [() => compiled({}, 'flatten, linear 4'), /^compile.weights must be 'f32' for this network/],
    [() => disposed.quantised(), /disposed/],
    [() => disposed.toBytes({}, { quantised: true }), /disposed/],
    [
      () => standardised.quantised({ averages: true }),
      /^quantised.averages must be left out: the model keeps no moving average/,
    ],
    [() => standardised.quantised({ averages: 1 as never }), /^quantised.averages must be true or/],
    [() => standardised.quantised({ signal: 1 } as never), /^quantised.signal is not/],
    [
      () => standardised.toBytes({}, { quantised: true }),
      /^toBytes.quantised must be left out: 2.weight is standardised/,
    ],
    [
      () => compiled({ weights: 'int4' as never }),
      /^compile.weights must be one of f32, int8, int6, got "int4"/,
    ],
    [
      () => api.networkFromJSON({ ...floats.toJSON(), weights: 'int4' as never }),
      /weights must be one of f32, int8, int6, got "int4"/,
    ],
    [
      () => api.linear(2, 2, { weights: 8 as never }),
      /^linear.weights must be one of f32, int8, int6, got 8/,
    ],
    [() => spikes(api.conv2d(4, 4, 3, { groups: 4, weights: 'int8' })), inVain('conv2d')],
    [() => spikes(api.conv2d(4, 4, 2, { dilation: 2, weights: 'int8' })), inVain('conv2d')],
    [
      () => modelOf(api.linear(4, 4, { weights: 'int8' }), { input: [4] }),
      /\(linear\): weights must be left out here, got 'int8': it reads floats, from the input/,
    ],
    [
      () => api.convTranspose2d(2, 2, 2, { weights: 'int8' } as never),
      /^convTranspose2d.weights is not/,
    ],
    [
      () => api.convTranspose1d(2, 2, 2, { weights: 'int8' } as never),
      /^convTranspose1d.weights is not/,
    ],
    [() => api.dcls1d(2, 2, { maxDelay: 2, weights: 'int8' } as never), /^dcls1d.weights is not/],
    [() => api.recurrent(api.lif(), { weights: 'int8' } as never), /^recurrent.weights is not/],
  ])
  // What is made in turn rejects; it does not throw.
  assert.ok(floats.toBytes({}, { quantised: true }).catch(() => 0) instanceof Promise)
  assert.ok(disposed.toBytes().length > 0)
  const { values } = (await standardised.quantised())['2.weight']
  assert.ok(values.some((q) => Math.abs(q) === 127))
})

test('conv1d and named networks take whole numbers, and a file of NIR has what they stand for', () =>
  withFolder(async (folder) => {
    const net = api.sequential(
      api.conv1d(3, 8, 3),
      api.lif({ vThreshold: 0.1 }),
      api.conv1d(8, 6, 3),
      api.lif({ vThreshold: 0.1 }),
      api.flatten(),
      api.linear(24, 4),
    )
    const series = await modelOf(net, { input: [3, 8], batchSize: 4, weights: 'int8' })
    assert.equal(Object.keys(await series.quantised()), ['2.weight', '5.weight'])
    const path = join(folder, 'series.nir')
    await series.saveNir(path)
    const read = await own(api.loadNir(path, { weights: 'int8' }))
    const x = images.subarray(0, 96)
    assert.equal((await read.predict(x)).logits, (await series.predict(x)).logits)
    const [a, b] = [await series.quantised(), await read.quantised()]
    assert.equal(Object.values(b), Object.values(a))
    const small = { input: [2, 8, 8], batchSize: 2, weights: 'int6' } as const
    const named = await modelOf(api.resnet18({ inChannels: 2, classes: 4 }), small)
    const layers = Object.keys(await named.quantised())
    assert.ok(layers.length >= 19 && !layers.some((name) => name.startsWith('conv1')))
  }))

test('in a page numbers and files are the same', async () => {
  const tell = async (): Promise<unknown> => {
    const model = await compileToy(
      { weights: 'int8' },
      'conv 9 3 padding=1, norm, lif, conv 6 1, lif, flatten, linear 4',
    )
    const seen: unknown[] = [await model.quantised()]
    await model.fit(train, { optimizer: api.sgd({ lr: 0.3 }), ema: 0.9 })
    seen.push(await model.quantised(), await model.toBytes({}, { quantised: true }))
    seen.push(await model.toBytes({}, { quantised: true, averages: true }))
    const { operations } = await model.evaluate(train, { operations: true })
    seen.push(operations, await model.quantised())
    model.loadStateDict(model.averages())
    seen.push(await model.quantised(), (await model.predict(images)).logits)
    await model.dispose()
    return seen
  }
  assert.equal(await onPlatform(page, tell), await tell())
})

test('quantised({ averages: true }) has the whole numbers of the averages', async () => {
  const model = await compiled()
  await model.fit(train, { optimizer: api.sgd({ lr: 0.3 }), ema: 0.9 })
  const now = await model.quantised()
  const found = await model.quantised({ averages: true })
  assert.equal(await model.quantised(), now)
  for (const [name, { shape, data }] of Object.entries(model.averages()))
    if (found[name]) {
      const { values, scales } = quantised(data, shape[0], 127)
      assert.equal([[...found[name].values], [...found[name].scales]], [values, scales])
      assert.not.equal(found[name].scales, now[name].scales)
    }
})

test('console.log and the memory of a model', async () => {
  const inspect = Symbol.for('nodejs.util.inspect.custom')
  const shown = (model: api.Model): string =>
    (model as unknown as Record<symbol, () => string>)[inspect]()
  const [whole, floats] = [await compiled({ weights: 'int6' }), await compiled({ weights: 'f32' })]
  assert.match(shown(whole), /B 8, weights int6, 1 thread/)
  assert.match(shown(floats), /B 8, 1 thread/)
  assert.is(floats.memoryUse.integers, undefined)
  const { integers = 0, parameters } = whole.memoryUse
  assert.is(parameters, floats.memoryUse.parameters + integers)
  assert.ok(integers > 0)
})

test.run()
