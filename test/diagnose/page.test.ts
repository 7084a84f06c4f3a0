import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Cosine, Diagnosis } from '../../src/diagnose/diagnosis.js'
import { variantNames } from '../../src/diagnose/diagnosis.js'
import { figures } from '../../src/diagnose/figures.js'
import { page } from '../../src/diagnose/page.js'
import { spread, tables, toJson } from '../../src/diagnose/report.js'

const origin = { version: '1.2.3', node: '20.0.0', processor: 'Some <CPU>', cores: 2 }

/** A made-up diagnosis of a network with so many layers. */
function made({ layers = 3, timeSteps = [1, 2, 12], spikes = false } = {}): Diagnosis {
  const [neurons, weights] = [0, 1].map((offset) =>
    Array.from({ length: layers }, (_, i) => `block${i}.${offset}`),
  )
  const cosines = (names: readonly string[], value: Cosine): Record<string, Cosine> =>
    Object.fromEntries(names.map((name, i) => [name, i === 1 ? null : value]))
  return {
    setup: {
      network: 'net </script><b>&"',
      dataset: 'data',
      input: [1, 8, 8],
      parameters: 1234567,
      batchSize: 32,
      steps: 100,
      learningRate: 0.1,
      probes: 4,
      timeSteps,
      methods: variantNames,
      threads: 1,
      seed: 0,
      layers: Object.fromEntries(
        weights.flatMap((name, i) => [
          [name, `conv2d ${name}`],
          [neurons[i], `neurons ${neurons[i]}`],
        ]),
      ),
    },
    training: timeSteps.map((T) => ({
      timeSteps: T,
      points: [0, 50, 100].map((step) => ({
        step,
        a1: cosines(neurons, 0.99),
        a2: cosines(T === 1 ? [] : weights.slice(1), 0.98),
        a3: cosines(weights, 0.9123456789 + T / 1000),
      })),
      gradients: weights.map((name, i) => ({
        parameter: `${name}.weight`,
        cosine: i === 1 ? null : 0.95,
        normRatio: i === 1 ? null : 1.05,
      })),
      firingRates: Object.fromEntries(
        neurons.map((name) => [name, Array.from({ length: T }, (_, t) => 0.2 + 0.01 * t)]),
      ),
      testAccuracy: 0.5,
    })),
    costs: variantNames.flatMap((method) =>
      timeSteps.map((T) => ({
        method,
        timeSteps: T,
        forwardMs: T,
        backwardMs: 2 * T,
        updateMs: 0.1,
        stepMs: 3 * T,
        keptBytes: 1000 * T,
        totalBytes: 2000 * T,
      })),
    ),
    ...(spikes && {
      activity: {
        ...{ timeSteps: 12, dataset: 'tests', samples: 64, label: 3, predicted: 5 },
        layers: Object.fromEntries(
          neurons.map((name, i) => [
            name,
            {
              ...{ neurons: 50 + 100 * i, rows: Math.min(100, 50 + 100 * i) },
              // The second layer never fires.
              spikeRows: i === 1 ? [] : [1, 7, 50],
              spikeSteps: i === 1 ? [] : [1, 12, 3],
              sampleRates: Array.from({ length: 12 }, (_, t) => 0.01 * t),
              rates: Array.from({ length: 12 }, (_, t) => 0.02 * t),
            },
          ]),
        ),
      },
    }),
  }
}

/** Content of a script element. */
const scriptOf = (html: string, id: string): unknown =>
  JSON.parse(
    html.match(new RegExp(`<script type="application/json" id="${id}">(.*?)</script>`, 's'))![1],
  )

test('JSON: everything, in six digits', () => {
  const diagnosis = made()
  const parsed = JSON.parse(toJson(diagnosis, origin)) as Diagnosis & typeof origin
  assert.equal(Object.keys(parsed), [
    'version',
    'node',
    'processor',
    'cores',
    'setup',
    'training',
    'costs',
  ])
  assert.equal(parsed.setup, diagnosis.setup)
  assert.equal(parsed.costs, diagnosis.costs)
  assert.is(parsed.training[0].points[0].a3['block0.1'], 0.913346)
  assert.is(parsed.training[0].points[0].a3['block1.1'], null)
})

test('page: self-contained, and what it embeds cannot end its scripts', () => {
  const plotly = 'window.Plotly = { text: "</script><SCRIPT>", newPlot() {} }'
  const html = page(made(), origin, plotly)
  assert.is(html.match(/<\/script/gi)!.length, 4)
  assert.not.match(html, /<[a-z]+ [^>]*(src|href)=/i)
  assert.not.match(html, /@import|url\(/)
  assert.match(
    html,
    `content="default-src 'none'; script-src 'unsafe-inline'; style-src ` +
      `'unsafe-inline'; img-src data: blob:"`,
  )
  assert.match(html, 'net &lt;/script&gt;&lt;b&gt;&amp;&quot;')
  assert.match(html, 'Some &lt;CPU&gt;')
  assert.equal(scriptOf(html, 'diagnosis'), JSON.parse(toJson(made(), origin)))
})

test('page: a place, a heading and a sentence for every figure', () => {
  const html = page(made(), origin, '')
  const embedded = scriptOf(html, 'figures') as { id: string; data: object[] }[]
  assert.equal(
    embedded.map(({ id }) => id),
    ['assumptions', 'training', 'gradients', 'time', 'memory', 'rates'],
  )
  for (const { id, data } of embedded) {
    assert.match(
      html,
      new RegExp(
        `<h2>\\([a-d]\\) [^<]+</h2>\\n<div class="plot" id="${id}" style="height: ` +
          `[\\d.]+px"></div>\\n<p class="caption">[^<]{40,}</p>`,
      ),
    )
    assert.ok(data.length > 0, id)
  }
})

interface Trace {
  readonly name: string
  readonly x: number[]
  readonly y: (number | null)[]
  readonly xaxis: string
  readonly yaxis: string
  readonly showlegend: boolean
  readonly mode: string
}

test('page: a raster by layer and rates over time, where spikes were recorded', () => {
  const diagnosis = made({ spikes: true })
  const html = page(diagnosis, origin, '')
  const embedded = scriptOf(html, 'figures') as ReturnType<typeof figures>
  assert.equal(embedded.map(({ id }) => id).slice(-3), ['rates', 'raster', 'activity'])
  assert.match(html, '<h2>(d) Spikes of one sample by layer, T 12</h2>')
  assert.match(html, 'the first sample of tests, class 3, for which it says 5')
  const parsed = scriptOf(html, 'diagnosis') as Diagnosis
  assert.equal(parsed.activity, diagnosis.activity)
  const [raster, activity] = embedded.slice(-2)
  const spikes = raster.data as Trace[]
  assert.equal(
    spikes.map(({ x, y, mode }) => [x, y, mode]),
    [0, 1, 2].map((i) => (i === 1 ? [[], [], 'markers'] : [[1, 12, 3], [1, 7, 50], 'markers'])),
  )
  const titles = (raster.layout as unknown as { annotations: { text: string }[] }).annotations
  assert.equal(
    titles.map(({ text }) => text),
    ['50', '100 of 150', '100 of 250'].map((n, i) => `<b>neurons block${i}.0, ${n}</b>`),
  )
  const axes = raster.layout as unknown as Record<string, { range: number[] }>
  assert.equal(
    [axes.xaxis.range, axes.yaxis3.range],
    [
      [0.5, 12.5],
      [0, 101],
    ],
  )
  const rates = activity.data as Trace[]
  assert.is(rates.length, 6)
  const third = rates.filter(({ name }) => name === 'neurons block2.0')
  assert.equal(
    third.map(({ y, xaxis }) => [y[11], xaxis]),
    [
      [0.22, 'x'],
      [0.11, 'x2'],
    ],
  )
})

for (const layers of [1, 3, 19])
  test(`figures of ${layers} layers: axes have titles, numbers are finite, each name is in the legend once`, () => {
    for (const { id, data, layout } of figures(made({ layers, spikes: true }))) {
      const traces = data as Trace[]
      const axes = layout as unknown as Record<
        string,
        { title?: { text: string }; domain?: number[] }
      >
      for (const { x, y, xaxis, yaxis } of traces) {
        assert.is(x.length, y.length, id)
        assert.ok(
          [...x, ...y].every((value) => value === null || Number.isFinite(value)),
          id,
        )
        const [horizontal, vertical] = [
          axes[xaxis.replace('x', 'xaxis')],
          axes[yaxis.replace('y', 'yaxis')],
        ]
        assert.ok(horizontal.title!.text.length > 3, `${id}: ${xaxis}`)
        for (const domain of [horizontal.domain!, vertical.domain!])
          assert.ok(
            domain[0] > -1e-9 && domain[0] < domain[1] && domain[1] < 1 + 1e-9,
            `${id}: ${domain}`,
          )
      }
      assert.ok(axes.yaxis.title!.text.length > 2, id)
      const legend = traces.filter(({ showlegend }) => showlegend).map(({ name }) => name)
      assert.equal([...new Set(legend)], legend, id)
      assert.equal(
        [...new Set(legend)].sort(),
        [...new Set(traces.map(({ name }) => name))].sort(),
        id,
      )
    }
  })

test('figures: values arrive in their panels', () => {
  const all = figures(made())
  const time = all.find(({ id }) => id === 'time')!.data as Trace[]
  assert.equal(time.find(({ name, xaxis }) => name === 'bptt' && xaxis === 'x')!.y, [1, 2, 12])
  assert.equal(time.find(({ name, xaxis }) => name === 'bptt' && xaxis === 'x2')!.y, [2, 4, 24])
  const over = all.find(({ id }) => id === 'assumptions')!.data as Trace[]
  const a3 = over.filter(({ xaxis }) => xaxis === 'x3')
  assert.equal(a3.find(({ name }) => name === 'conv2d block0.1')!.y, [0.91435, 0.92435])
  assert.equal(a3.find(({ name }) => name === 'conv2d block1.1')!.y, [null, null])
})

test('tables: as many cells as heads, and what one T leaves out', () => {
  for (const { title, head, rows } of tables(made())) {
    assert.ok(rows.length > 0, title)
    for (const row of rows) assert.is(row.length, head.length, title)
  }
  const [claims] = tables(made({ timeSteps: [4] }))
  assert.is(claims.rows.length, 3, 'growth needs two T')
})

test('learning rates that make methods comparable', () => {
  const found = tables(made()).find(({ title }) => title.startsWith('Learning rates'))
  const { setup } = made()
  const row = (method: string) =>
    found?.rows
      .find(([name]) => name === method)
      ?.slice(1)
      .map(Number)
  assert.equal(
    row('bptt'),
    setup.timeSteps.map(() => setup.learningRate),
  )
  assert.equal(
    row('rate'),
    setup.timeSteps.map((T) => Number((T * setup.learningRate).toPrecision(3))),
  )
  // SLTT that goes back from one step of T.
  assert.equal(row('sltt-1'), row('rate'))
})

test('spread: first and last always, order kept', () => {
  assert.equal(spread([1, 2, 3], 4), [1, 2, 3])
  assert.equal(spread([1, 2, 3, 4, 5, 6, 7], 4), [1, 3, 5, 7])
  for (let count = 2; count < 9; count++) {
    const items = Array.from({ length: 20 }, (_, i) => i)
    const chosen = spread(items, count)
    assert.equal([chosen.length, chosen[0], chosen[count - 1]], [count, 0, 19])
    assert.equal([...new Set(chosen)], chosen)
  }
})

test.run()
