/** What is wrong with files, and with a training; wrong options are in printed.test.ts. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run as runAlone } from './command.js'
import { inFolder, refuse, small } from './in-process.js'

const alone = (args: readonly string[]) => runAlone(args)

test('a process of its own says the same as one of tests', async () => {
  await refuse('train --epoch 3', /unknown option '--epoch' \(Did you mean --epochs\?\)/, {}, alone)
  await refuse(
    'train --load /missing/w',
    /--load must be a readable file, got "\/missing/,
    {},
    alone,
  )
})

test('a batch that no memory holds: the largest that fits', () =>
  refuse(
    'train --batch-size 1000000',
    /needs (about )?[\d.]+ GiB of memory for batchSize 1000000.* the largest batch that fits is \d+/,
  ))

test('a loss that is not a number names step and layer, and leaves what was saved before', () =>
  inFolder(async (folder, cli) => {
    await cli.succeed(`train ${small} --out run`)
    const weights = join(folder, 'run/weights.safetensors')
    const before = await readFile(weights)
    await cli.refuse(`train ${small} --out run`, /holds a run already; --resume/)
    const { code, stderr } = await cli.run('train --lr 1e38 --epochs 1 --out other/deep')
    assert.is(code, 1)
    assert.match(
      stderr,
      /^spikewasm: step \d+ of epoch 1: (the loss is (NaN|Infinity)|a gradient is not finite|the variance of a batch is not finite); it shows first in layer \S+ .*\n$/,
    )
    assert.equal(await readdir(folder), ['run'], 'a run that fails leaves no folder behind')
    assert.ok(before.equals(await readFile(weights)))
    await cli.succeed('eval --run run')
  }))

test('weights that are damaged or of another network are refused', () =>
  inFolder(async (folder, cli) => {
    await cli.succeed(`train ${small} --out run`)
    const weights = join(folder, 'run/weights.safetensors')
    const bytes = await readFile(weights)
    await cli.refuse(
      'eval --run run --model mlp',
      /state dict does not match the network; missing: 3\.weight, .*unexpected: 0\.weight/,
    )
    await cli.refuse(
      'train --model mlp --load run/weights.safetensors',
      /state dict does not match the network/,
    )
    for (const length of [0, 5, 100, bytes.length >> 1, bytes.length - 1]) {
      await writeFile(weights, bytes.subarray(0, length))
      await cli.refuse('eval --run run', /weights\.safetensors: must be the file that the run/)
    }
    // A folder of 0.1 has no manifest.
    await rm(join(folder, 'run/manifest.json'))
    for (const [text, message] of [
      ['{"version": "0.1.0", "model": "cnn"', /of a run, got something else .*valid JSON/],
      ['{"version": "0.1.0", "model": "transformer"}', /of a run, got model: /],
    ] as const) {
      await writeFile(join(folder, 'run/options.json'), text)
      await cli.refuse('eval --run run', message)
    }
  }))

/** An IDX file: bytes of the given shape. */
function idx(shape: readonly number[], fill: (i: number) => number): Uint8Array {
  const size = shape.reduce((a, b) => a * b, 1)
  const bytes = new Uint8Array(4 + 4 * shape.length + size)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 0x0800 + shape.length)
  shape.forEach((n, i) => void view.setUint32(4 + 4 * i, n))
  for (let i = 0; i < size; i++) bytes[bytes.length - size + i] = fill(i)
  return bytes
}

async function writeMnist(
  folder: string,
  side: number,
  label: (i: number) => number,
): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const [part, n] of [
    ['train', 40],
    ['t10k', 17],
  ] as const) {
    await writeFile(
      join(folder, `${part}-images-idx3-ubyte`),
      idx([n, side, side], (i) => (i * 37) % 256),
    )
    await writeFile(join(folder, `${part}-labels-idx1-ubyte`), idx([n], label))
  }
}

test('labels out of range and images of another shape are refused', () =>
  inFolder(async (folder, cli) => {
    await writeMnist(join(folder, 'good'), 11, (i) => i % 10)
    await writeMnist(join(folder, 'bad'), 11, (i) => (i === 13 ? 77 : i % 10))
    const train = 'train --dataset mnist --epochs 1 --threads 1 --data'
    await cli.refuse(`${train} bad`, /labels must be integers from 0 to 9, got 77 at index 13/)
    await cli.succeed(`${train} good --out run`)
    // The run knows where its data is.
    await cli.succeed('eval --run run')
    await cli.refuse(
      'eval --run run --dataset digits',
      /run: the model takes samples of \[1, 11, 11\], got digits test with \[1, 8, 8\]; give --dataset/,
    )
  }))

test.run()
