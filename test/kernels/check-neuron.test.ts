/** `checkNeuron`: right for right derivatives, and wrong for wrong ones. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checkNeuron, lif, neurons } from '../../src/index.js'
import { Graph } from '../../src/kernels/equations/graph.js'
import { expectRefusals } from '../files/temporary.js'

const adaptive = `tau > 1
u = u*(1 - 1/tau) + x
spike = u >= 1 + b*a
a = 0.9*a + spike
u = u - detach(spike)`

test('it compares spikes, and the gradients of the current and of each parameter', () => {
  const { ok, worst, rows, leftOut } = checkNeuron(adaptive, { tau: 3, b: 0.2 })
  assert.ok(ok && worst < 1e-5 && leftOut < 4)
  assert.equal(
    rows.map(({ of, against }) => `${of} ${against}`),
    ['spikes output', 'x chain', 'tau chain', 'b chain'],
  )
  assert.ok(rows.every(({ largest, error }) => largest > 0 && error <= worst))
})

test('numbers are compared with differences too, and print as a table', () => {
  const check = checkNeuron('u = u/2 + tanh(x); output = u*sigmoid(b*u)', { b: 0.5 }, { steps: 9 })
  const [head, ...lines] = String(check).split('\n')
  assert.is(head, 'right: 64 of 64 neurons compared')
  assert.equal(
    lines.map((line) => line.split(/ +/).slice(0, 2).join(' ')),
    ['of against', 'values output', 'x chain', 'x differences', 'b chain'],
  )
  const conditions = 'up = u > 0.3; u = u/2 + x*(1 + up); output = u*(not (x < 0.5 or u > 2))'
  assert.ok(checkNeuron(conditions).worst < 1e-5)
})

test('all options reach the neuron: surrogates as texts, starts, rates and their solver', () => {
  const options = {
    surrogate: '1/(1 + (alpha*x)^2)',
    alpha: 3,
    init: { v: 'v0' },
    dt: 0.5,
    solver: 'exponentialEuler' as const,
    steps: 20,
  }
  const text = 'dv/dt = (x - v)/tau; spike = v > th; v = where(spike, v0*dt, v)'
  const check = checkNeuron(text, { tau: 2, th: 0.4, v0: 0.25 }, options)
  assert.ok(check.ok, String(check))
  for (const [name, entry] of Object.entries(neurons.list())) {
    const { text, parameters, learn: _, ...of } = entry
    const scale = { izhikevich: 20, adex: 1500 }[name] ?? 1
    const found = checkNeuron(text, parameters as Record<string, number>, {
      ...of,
      input: [scale * -0.2, scale],
      tolerance: 2e-3,
      steps: 30,
    })
    assert.ok(found.ok, `${name}: ${found}`)
  }
})

test('it says what a share is of, and where it has compared nothing', () => {
  const rowsOf = (text: string) => checkNeuron(text).rows.map(({ against }) => against)
  assert.equal(rowsOf('u = u/2 + x; output = u'), ['output', 'chain', 'differences'])
  assert.equal(rowsOf('u = detach(u)/2 + x; output = u'), ['output', 'chain'])
  const silent = 'right: 64 of 64 neurons compared; none spiked, give it other currents: input'
  const { text, parameters, ...entry } = neurons.list().izhikevich
  const check = checkNeuron(text, parameters as Record<string, number>, entry)
  assert.is(String(check).split('\n')[0], silent)
})

test('a small gradient is compared as a share of itself where nothing spikes', () => {
  const { mul } = Graph.prototype
  Graph.prototype.mul = function (a, b) {
    const found = mul.call(this, a, b)
    // The output stays as it is; its derivative is 1.01 times what it should be.
    if (!(a.op === 'const' && Math.abs(a.value - 1e-4) < 1e-9)) return found
    const more = mul.call(this, this.constant(1.01e-4), b)
    return this.add(more, this.make('detach', [this.sub(found, more)]))
  }
  try {
    const { ok, rows } = checkNeuron('output = 0.0001*x')
    assert.ok(!ok && rows.every(({ of, error }) => (of === 'x' ? error > 5e-3 : error < 1e-5)))
  } finally {
    Graph.prototype.mul = mul
  }
})

test('a parameter is learnt behind the map of its range, whatever that is', () => {
  const ranges = ['-1 < p < 2', 'q < 3', 'r > -2', '0 <= s <= 1', 't > 0; t <= 2', '']
  const names = ['p', 'q', 'r', 's', 't', 'v']
  for (const [i, name] of names.entries()) {
    const text = `${ranges[i]}\nu = 0.5*u + x; output = tanh(u*${name})`
    const check = checkNeuron(text, { [name]: 0.75 }, { steps: 5 })
    assert.ok(check.ok && check.worst < 1e-5, `${ranges[i]}: ${check}`)
    assert.is(check.rows.at(-1)?.of, name)
  }
})

test('where rounding decides neurons are left out', () => {
  // 41·(1/41) is 1 in float64 alone.
  const check = checkNeuron('spike = p*(41 + round(x))/41 >= 1', { p: 1 }, { steps: 1 })
  assert.ok(check.ok && check.worst < 1e-5, String(check))
  assert.ok(check.leftOut > 10 && check.leftOut < 40, `${check.leftOut}`)
  assert.is(String(check).split('\n')[0], `right: ${64 - check.leftOut} of 64 neurons compared`)
  const none = checkNeuron('spike = (41 + 0*x)/41 >= 1')
  const head =
    'wrong: 0 of 64 neurons compared; rounding decides in all, give it other currents: input'
  assert.equal([none.ok, String(none).split('\n')[0]], [false, head])
})

test('whole numbers that are compared leave no neuron out: counters, abs at 0', () => {
  const { text, parameters, ...entry } = neurons.of(lif({ refractory: 3, vThreshold: 0.7 }))
  const resting = checkNeuron(text, parameters as Record<string, number>, entry)
  assert.ok(resting.ok && resting.worst < 1e-5 && resting.leftOut < 4, String(resting))
  assert.ok(resting.rows.slice(0, -1).every(({ largest }) => largest > 0))
  const size = checkNeuron('s = s/2 + abs(u); u = u/2 + x; output = s')
  assert.ok(size.ok && size.leftOut < 4, String(size))
  // A learnt parameter with a range is stored as another number, and comes back rounded.
  const ranged = `refractory > 0\n${text}`
  assert.is(checkNeuron(ranged, parameters as Record<string, number>, entry).leftOut, 64)
})

test('a wrong rule of the compiler is found', () => {
  const { times } = Graph.prototype
  Graph.prototype.times = function (a, b) {
    return this.mul(this.constant(1.01), times.call(this, a, b))
  }
  try {
    const { ok, worst } = checkNeuron('w = 0.5*w + u*u; u = 0.3*u + x; output = w')
    assert.ok(!ok && worst > 1e-3, `${worst}`)
  } finally {
    Graph.prototype.times = times
  }
})

test('what it cannot check it refuses', () =>
  expectRefusals([
    [() => checkNeuron('output = x + rand()'), /the text draws numbers/],
    [() => checkNeuron('output = b*x', { b: [1] } as never), /checkNeuron.b must be a num/],
    [() => checkNeuron('output = y'), /^neuron: line 1, column 10: unknown name y/],
    [() => checkNeuron('output = x', {}, { steps: 0 }), /checkNeuron.steps must be an int/],
    [() => checkNeuron('output = x', {}, { input: [1] } as never), /must be two finite/],
  ]))

test.run()
