import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { augment } from '../../src/data/augment.js'
import { move } from '../../src/data/autoaugment.js'
import { fromBytes } from '../../src/data/bytes.js'
import type { Dataset } from '../../src/data/datasets/dataset.js'
import { sizeOf } from '../../src/network/value.js'

const side = fc.integer({ min: 1, max: 9 })
const sizes = fc.record({ height: side, width: side, channels: fc.integer({ min: 1, max: 4 }) })

/**
 * Images without the value 0, so that what augmentation blackens shows. Normalised values are
 * bytes.
 */
function makeDataset(
  n: number,
  [channels, height, width]: readonly [number, number, number],
  scale = 255,
): Dataset {
  const images = Uint8Array.from(
    { length: n * channels * height * width },
    (_, i) => 1 + ((i * 7919) % 251),
  )
  const normalization = {
    scale,
    mean: new Array<number>(channels).fill(0),
    std: new Array<number>(channels).fill(1 / scale),
  }
  return fromBytes({
    images,
    labels: Array.from({ length: n }, (_, i) => i % 5),
    shape: [channels, height, width],
    classes: 5,
    normalization,
  })
}

function read(dataset: Dataset, index: number, seed: number, epoch: number): number[] {
  const out = new Float32Array(sizeOf(dataset.shape)).fill(-1)
  const label = dataset.read(index, out, { seed, epoch })
  return [label, ...Array.from(out, Math.round)]
}

test('move: every pixel is the input at its place, black outside', () => {
  fc.assert(
    fc.property(
      sizes,
      fc.integer({ min: -10, max: 10 }),
      fc.integer({ min: -10, max: 10 }),
      fc.boolean(),
      (size, dx, dy, mirror) => {
        const { height, width, channels } = size
        const input = Uint8Array.from(
          { length: height * width * channels },
          (_, i) => 1 + (i % 255),
        )
        const out = new Uint8Array(input.length).fill(77)
        move(out, input, size, { dx, dy, mirror, beyond: 0 })
        for (let y = 0; y < height; y++)
          for (let x = 0; x < width; x++)
            for (let c = 0; c < channels; c++) {
              const fromX = (mirror ? width - 1 - x : x) + dx
              const inside = fromX >= 0 && fromX < width && y + dy >= 0 && y + dy < height
              assert.is(
                out[(c * height + y) * width + x],
                inside ? input[(c * height + y + dy) * width + fromX] : 0,
              )
            }
      },
    ),
  )
})

test('move: beyond its edges lies the mirrored image', () => {
  fc.assert(
    fc.property(sizes, fc.nat(8), fc.nat(8), fc.boolean(), (size, px, py, mirror) => {
      const { height, width, channels } = size
      const input = Uint8Array.from({ length: height * width * channels }, (_, i) => i)
      const out = new Uint8Array(input.length)
      const around = (length: number): number[] =>
        // … 2 1 0 1 2 … length − 1 … 1 0 1 …
        Array.from({ length: 3 * length - 2 }, (_, i) => {
          const at = Math.abs(i - (length - 1))
          return at < length ? at : 2 * (length - 1) - at
        })
      const [columns, rows] = [around(width), around(height)]
      const [x0, y0] = [px % (2 * width - 1), py % (2 * height - 1)]
      const [dx, dy] = [x0 - (width - 1), y0 - (height - 1)]
      move(out, input, size, { dx, dy, mirror, beyond: 'reflected' })
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++)
          for (let c = 0; c < channels; c++) {
            const column = columns[x0 + (mirror ? width - 1 - x : x)]
            const expected = input[(c * height + rows[y0 + y]) * width + column]
            assert.is(out[(c * height + y) * width + x], expected)
          }
    }),
  )
})

test('augment: crop reaches every offset, flip is a fair coin, cutout reaches every place', () => {
  const [height, width, pad] = [6, 7, 2]
  const dataset = makeDataset(1, [1, height, width])
  const bytes = new Uint8Array(height * width)
  dataset.pixels!.read(0, bytes)
  const size = { height, width, channels: 1 }
  const offsets = new Map<string, [number, number]>()
  const out = new Uint8Array(bytes.length)
  for (let dy = -pad; dy <= pad; dy++)
    for (let dx = -pad; dx <= pad; dx++) {
      move(out, bytes, size, { dx, dy, mirror: false, beyond: 0 })
      offsets.set(out.join(), [dx, dy])
    }
  const cropped = augment(dataset, { crop: pad })
  const counts = new Map<string, number>()
  for (let epoch = 0; epoch < 5000; epoch++) {
    const key = read(cropped, 0, 1, epoch).slice(1).join()
    assert.ok(offsets.has(key), `epoch ${epoch}: the image is no crop`)
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  assert.is(counts.size, 25)
  const chi = [...counts.values()].reduce((total, count) => total + (count - 200) ** 2 / 200, 0)
  assert.ok(chi < 65, `chi-square ${chi} at 24 degrees of freedom`)

  const flipped = augment(dataset, { flip: true })
  let flips = 0
  for (let epoch = 0; epoch < 2000; epoch++) if (read(flipped, 0, 1, epoch)[1] !== bytes[0]) flips++
  assert.ok(Math.abs(flips - 1000) < 150, `${flips} of 2000 flipped`)

  const cut = augment(dataset, { cutout: 2 })
  const places = new Set<string>()
  for (let epoch = 0; epoch < 1000; epoch++) {
    const pixels = read(cut, 0, 1, epoch).slice(1)
    places.add(pixels.map((value) => (value === 0 ? 0 : 1)).join(''))
    assert.equal(
      pixels.filter((value) => value !== 0).every((value) => bytes.includes(value)),
      true,
    )
  }
  assert.is(places.size, height * width)
})

test.run()
