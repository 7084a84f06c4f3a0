/** Networks whose outputs have different sizes: their losses, parts, predictions, and refusals. */

import * as assert from 'uvu/assert'
import * as api from '../../src/index.js'
import { expectRefusal } from '../files/temporary.js'
import { testRandom } from '../support/engine.js'
import { modelOf, test } from '../support/models.js'
import { netOf } from '../support/net.js'

const [features, hidden, policies] = [5, 7, 11]
type Named = Readonly<Record<string, Float32Array>>
const asNamed = (outputs: unknown) => outputs as Named

const children = (body: string) => ({
  body: netOf([features], body),
  policy: api.linear(hidden, policies),
  value: api.linear(hidden, 1),
})
const spiking = `linear ${hidden}, lif tau=1.5`

/** An actor and a critic. @param joined as one output */
const network = (joined = false, body = spiking): api.Block =>
  api.block(children(body), ({ body, policy, value }, x, { concat }) => {
    const inside = body(x)
    const [first, last] = [policy(inside), value(inside)]
    return joined ? concat(first, last) : ({ policy: first, value: last } as never)
  })

const random = testRandom(7)
const drawn = (count: number): Float32Array =>
  Float32Array.from({ length: count }, () => 4 * random() - 2)
const B = 6
const x = drawn(B * features)
const targets = drawn(B * (policies + 1))

/** Half the squared distance of rows [rows][width] from the targets of their samples. */
function squares(z: Float32Array, width: number, first: number) {
  const gradient = new Float64Array(z.length)
  let loss = 0
  for (let i = 0; i < z.length; i++) {
    const sample = Math.floor(i / width) % B
    gradient[i] = (z[i] - targets[sample * (policies + 1) + first + (i % width)]) / z.length
    loss += (gradient[i] ** 2 * z.length) / 2
  }
  return { loss, gradient }
}

/** Both outputs' losses added, from records or from one output of both. */
const lossOf = (of: 'mean' | 'steps') =>
  api.custom(
    ({ outputs }) => {
      if (!(outputs instanceof Float32Array)) {
        const { policy, value } = outputs
        const [a, b] = [squares(policy, policies, 0), squares(value, 1, policies)]
        return { loss: a.loss + b.loss, gradient: { policy: a.gradient, value: b.gradient } }
      }
      const width = policies + 1
      const isValue = (i: number): boolean => i % width === policies
      const [a, b] = [outputs.filter((_, i) => !isValue(i)), outputs.filter((_, i) => isValue(i))]
      const parts = [squares(a, policies, 0), squares(b, 1, policies)]
      const gradient = Float64Array.from(outputs, (_, i) => {
        const row = Math.floor(i / width)
        return isValue(i) ? parts[1].gradient[row] : parts[0].gradient[row * policies + (i % width)]
      })
      return { loss: parts[0].loss + parts[1].loss, gradient }
    },
    { of, targets: policies + 1 },
  )

const compiled = (net: api.Block, more: Partial<api.CompileOptions>): Promise<api.Model> =>
  modelOf(net, { input: [features], batchSize: B, optimizer: api.sgd({ lr: 0.1 }), ...more })

function expectClose(a: ArrayLike<number>, b: ArrayLike<number>, what: string): void {
  const most = Math.max(...Array.from(b, Math.abs))
  assert.is(a.length, b.length, what)
  for (let i = 0; i < a.length; i++)
    assert.ok(Math.abs(a[i] - b[i]) <= 1e-5 * most, `${what}[${i}]: ${a[i]}, expected ${b[i]}`)
}

for (const [options, of] of [
  [{ method: 'rate', timeSteps: 4 }, 'mean'],
  [{ method: 'rate', stepMode: 's', timeSteps: 11 }, 'mean'],
  [{ method: 'bptt', timeSteps: 5, threads: 2 }, 'mean'],
  [{ method: 'bptt', stepMode: 's', timeSteps: 5 }, 'steps'],
  [{ method: 'ottt', timeSteps: 6 }, 'steps'],
  [{ method: 'sltt', timeSteps: 9 }, 'steps'],
  [{ method: 'os', timeSteps: 3 }, 'steps'],
] as const)
  test(`they learn as one output of both does: ${JSON.stringify(options)}`, async () => {
    const loss = lossOf(of)
    const [apart, whole] = [
      await compiled(network(), { ...options, loss }),
      await compiled(network(true), { ...options, loss }),
    ]
    whole.loadStateDict(apart.stateDict())
    const data = api.fromArrays({ inputs: x, targets, shape: [features] })
    for (let step = 0; step < 3; step++) {
      const [ours, theirs] = [await apart.trainStep(x, targets), await whole.trainStep(x, targets)]
      expectClose([ours.loss], [theirs.loss], 'loss')
    }
    for (const [name, { data }] of Object.entries(apart.stateDict()))
      expectClose(data, whole.stateDict()[name].data, name)
    expectClose([(await apart.evaluate(data)).loss], [(await whole.evaluate(data)).loss], 'loss')
    const { logits } = await whole.predict(x)
    const { outputs, ...last } = await apart.predict(x)
    const { policy, value } = asNamed(outputs)
    assert.equal(value, last.logits)
    const ofSteps = await apart.predict(x, { of: 'steps' })
    assert.equal(asNamed(ofSteps.outputs), { policy, value })
    const both = (await whole.predict(x, { of: 'steps' })).logits
    expectClose(
      ofSteps.logits,
      both.filter((_, i) => i % (policies + 1) === policies),
      'value of steps',
    )
    const width = policies + 1
    expectClose(
      policy,
      logits.filter((_, i) => i % width < policies),
      'policy',
    )
    expectClose(
      value,
      logits.filter((_, i) => i % width === policies),
      'value',
    )
    const one = asNamed((await apart.predict(x.subarray(0, features))).outputs)
    assert.equal(one.policy, policy.slice(0, policies))
  })

test('forward and backward have the gradients of float64 arithmetic, of any sizes', async () => {
  for (const [method, timeSteps] of [
    ['bptt', 3],
    ['rate', 4],
  ] as const) {
    const model = await compiled(network(false, `linear ${hidden}, relu`), { method, timeSteps })
    const state = model.stateDict()
    const of = (name: string): Float32Array => state[name].data as Float32Array
    const [W, b] = [of('body.0.weight'), of('body.0.bias')]
    const inside = Array.from({ length: B * hidden }, (_, i) => {
      const [n, h] = [Math.floor(i / hidden), i % hidden]
      let sum = b[h]
      for (let f = 0; f < features; f++) sum += W[h * features + f] * x[n * features + f]
      return Math.max(0, sum)
    })
    const given = { policy: drawn(B * policies), value: drawn(B) }
    const outputs = asNamed(await model.forward(x))
    await model.backward(given)
    const found = model.gradients()
    const back = new Float64Array(B * hidden)
    for (const [name, width] of [
      ['policy', policies],
      ['value', 1],
    ] as const) {
      const [w, bias] = [of(`${name}.weight`), of(`${name}.bias`)]
      const [z, dw] = [new Float64Array(B * width), new Float64Array(width * hidden)]
      for (let n = 0; n < B; n++)
        for (let c = 0; c < width; c++) {
          const at = n * width + c
          z[at] = bias[c]
          for (let h = 0; h < hidden; h++) {
            z[at] += w[c * hidden + h] * inside[n * hidden + h]
            dw[c * hidden + h] += given[name][at] * inside[n * hidden + h]
            back[n * hidden + h] += given[name][at] * w[c * hidden + h]
          }
        }
      expectClose(outputs[name], z, name)
      // In method 'rate' gradients are divided by T.
      const share = method === 'rate' ? timeSteps : 1
      expectClose(
        found[`${name}.weight`].data.map((g) => g * share),
        dw,
        `gradient of ${name}`,
      )
    }
    const dW = new Float64Array(hidden * features)
    for (let n = 0; n < B; n++)
      for (let h = 0; h < hidden; h++)
        if (inside[n * hidden + h] > 0)
          for (let f = 0; f < features; f++)
            dW[h * features + f] += back[n * hidden + h] * x[n * features + f]
    const share = method === 'rate' ? timeSteps : 1
    expectClose(
      found['body.0.weight'].data.map((g) => g * share),
      dW,
      'gradient of the body',
    )
    assert.equal(asNamed(await model.forward(x, { training: false })), outputs)
    assert.equal(asNamed((await model.predict(x)).outputs), outputs)
  }
})

for (const more of [
  {},
  { timeSteps: 300, method: 'bptt' },
  { stepMode: 's', timeSteps: 11 },
] as const)
  test(`inference in groups of images has the outputs of training: ${JSON.stringify(more)}`, async () => {
    const body =
      'conv 24 3 padding=1, lif vThreshold=0.2, conv 24 3 padding=1, lif vThreshold=0.1, flatten, linear 7'
    const net = () =>
      api.block(
        { ...children(spiking), body: netOf([2, 12, 12], body) },
        ({ body, policy, value }, x) => {
          const inside = body(x)
          return { policy: policy(inside), value: value(inside) }
        },
      )
    const seen: Named[] = []
    const loss = api.custom(({ outputs }) => {
      seen.push(asNamed(outputs))
      return { loss: 0, gradient: outputs }
    })
    const options = { input: [2, 12, 12], batchSize: 64, loss, ...more } as const
    const model = await modelOf(net(), options)
    const lean = await modelOf(net(), { ...options, purpose: 'inference' })
    lean.loadStateDict(model.stateDict())
    const inputs = drawn(66 * 288)
    const data = api.fromArrays({
      inputs: inputs.slice(0, 64 * 288),
      labels: new Int32Array(64),
      classes: 1,
      shape: [2, 12, 12],
    })
    const [ours, theirs] = [await lean.predict(inputs), await model.predict(inputs)]
    assert.equal(ours, theirs)
    for (const one of [lean, model]) await one.evaluate(data, { operations: false })
    assert.equal(seen[0], seen[1])
    const { policy } = asNamed(ours.outputs)
    expectClose(seen[0].policy, policy.slice(0, 64 * policies), 'evaluated')
    assert.ok(new Set(policy).size > 0.9 * policy.length, 'samples differ')
  })

test('without a loss they train by forward, backward and update alone', async () => {
  const [free, bound] = [
    await compiled(network(), {}),
    await compiled(network(), { loss: lossOf('mean') }),
  ]
  const gradient = { policy: drawn(B * policies), value: drawn(B) }
  for (const model of [free, bound]) {
    await model.forward(x)
    await model.backward(gradient)
    await model.update()
  }
  assert.equal(free.stateDict(), bound.stateDict())
  const missing =
    /outputs of different sizes \(\[11\] of policy, \[1\] of value\), and a loss of them must be given/
  await expectRefusal(() => free.trainStep(x, new Int32Array(B)), missing)
  const data = api.fromArrays({
    inputs: x,
    labels: new Int32Array(B),
    classes: 1,
    shape: [features],
  })
  await expectRefusal(() => free.fit(data), missing)
  await expectRefusal(() => free.evaluate(data), missing)
  assert.equal(free.stateDict(), bound.stateDict())
  const other = { ...gradient, value: drawn(2 * B) }
  await free.forward(x)
  await expectRefusal(
    () => free.backward(other),
    /the gradient of output value must be a Float32Array or Float64Array of \[6, 1\] = 6 numbers/,
  )
  await expectRefusal(
    () => free.backward({ ...gradient, vale: other.value }),
    /the gradient has other names than the outputs, got .*vale/,
  )
})

test('of one size they have a loss of their own, and forward gives all of them', async () => {
  const net = api.block(
    { body: netOf([features], spiking), a: api.linear(hidden, 2), b: api.linear(hidden, 2) },
    ({ body, a, b }, x) => {
      const inside = body(x)
      return { a: a(inside), b: b(inside) }
    },
  )
  const model = await compiled(net, {})
  const labels = new Int32Array(B)
  await model.trainStep(x, labels)
  assert.is((await model.predict(x)).outputs, undefined)
  const outputs = asNamed(await model.forward(x, { training: false }))
  assert.equal(asNamed((await model.predict(x)).outputs), outputs)
  assert.equal([outputs.a.length, outputs.b.length], [2 * B, 2 * B])
  const data = api.fromArrays({ inputs: x, labels, classes: 2, shape: [features] })
  const { loss } = await model.evaluate(data)
  const entropy = Array.from({ length: B }, (_, n) =>
    Math.log(1 + Math.exp(outputs.b[2 * n + 1] - outputs.b[2 * n])),
  )
  expectClose([loss], [entropy.reduce((sum, one) => sum + one, 0) / B], 'loss')
})

test('losses that need outputs of one size, and outputs that are no vectors, are refused', async () => {
  for (const [loss, message] of [
    [
      api.selfDistillation(),
      /selfDistillation\(\) needs outputs of one size, got \[11\] of policy, \[1\] of value; give loss: custom/,
    ],
    [
      api.crossEntropy(),
      /\(policy, value\), which loss selfDistillation\(\) or custom\(function\) trains, got crossEntropy/,
    ],
  ] as const)
    await expectRefusal(() => compiled(network(), { loss }), message)
  const image = api.block(
    { conv: api.conv2d(1, 2, 1), flatten: api.flatten(), end: api.linear(8, 1) },
    ({ conv, flatten, end }, x) => {
      const inside = conv(x)
      return { inside, end: end(flatten(inside)) }
    },
  )
  await expectRefusal(
    () => modelOf(image, { input: [1, 2, 2], loss: lossOf('mean') }),
    /conv: the last layer must give one value per class, got \[2, 2, 2\]/,
  )
})

test('what is not finite is told of its own output', async () => {
  const model = await compiled(network(), { loss: lossOf('mean') })
  const state = model.stateDict()
  state['policy.bias'].data[1] = 3e38
  state['policy.weight'].data.fill(3e38)
  model.loadStateDict(state)
  await expectRefusal(
    () => model.predict(x.map(() => 50)),
    /layer policy \(linear\) gives Infinity for/,
  )
})

test.run()
