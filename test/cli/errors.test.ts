import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withFolder } from '../files/temporary.js'
import { run as runProcess } from './command.js'
import { refuse, run, tiny } from './in-process.js'

const cases: [args: string, message: RegExp][] = [
  ['foo', /unknown command 'foo'/],
  ['train --epoch 3', /unknown option '--epoch' \(Did you mean --epochs\?\)/],
  ['train digits', /too many arguments for 'train'/],
  ['train --lr', /'--lr <rate>' argument missing/],
  ['train --lr fast', /--lr must be a number, got "fast"/],
  ['train --lr -0.1', /--lr must be ≥ 0, got -0\.1/],
  ['train --momentum 1', /--momentum must lie in 0…1 \(1 excluded\), got 1/],
  ['train --weight-decay -1', /--weight-decay must be ≥ 0, got -1/],
  ['train --optimizer adam --lr -1', /: --lr must be ≥ 0, got -1/],
  // Checked by `fit`, and nothing is printed before.
  ['train --ema 1', /: --ema must lie in 0…1 \(1 excluded\), got 1/],
  ['train --loss tet', /: loss tet\(\) needs a gradient of each step, .* use 'bptt' or 'ottt'/],
  ['train --epochs 0', /--epochs must be an integer ≥ 1, got "0"/],
  ['train --batch-size 0', /--batch-size must be an integer from 1 to \d+, got 0/],
  ['train --batch-size 1.5', /--batch-size must be an integer from 1 to \d+, got 1\.5/],
  [
    'train --batch-size 1000000',
    /needs (about )?[\d.]+ GiB of memory for batchSize 1000000.* the largest batch that fits is \d+/,
  ],
  ['train --time-steps 0', /--time-steps must be an integer from 1 to 4096, got 0/],
  ['train --threads 0', /--threads must be an integer from 1 to 256, got 0/],
  ['train --seed -1', /--seed must be an integer from 0 to 4294967295, got -1/],
  ['train --tau 1', /--tau must be > 1, got 1/],
  ['train --limit-train 0', /--limit-train must be an integer ≥ 1, got "0"/],
  ['train --limit-test x', /--limit-test must be an integer ≥ 1, got "x"/],
  ['train --dataset cifar', /--dataset must be one of digits, mnist, .*, got "cifar"/],
  ['train --model lenet', /--model must be one of .*cnn.*, got "lenet"/],
  ['train --method backprop', /--method must be one of rate, bptt, ottt, sltt, os, got "backprop"/],
  ['train --step-mode x', /--step-mode must be one of m, s, got "x"/],
  ['train --step-mode m --method ottt --model mlp', /--step-mode must be 's' with method ottt/],
  ['train --backward-steps 2', /--backward-steps is an option of method sltt/],
  [
    'train --backward-steps 9 --method sltt',
    /--backward-steps must be an integer from 1 to timeSteps \(4\), got 9/,
  ],
  ['train --gradient-checkpoint layers', /--gradient-checkpoint is an option of method bptt/],
  [
    'train --gradient-checkpoint all --method bptt',
    /--gradient-checkpoint must be one of none, layers, got "all"/,
  ],
  [
    'train --schedule step',
    /--schedule must be one of cosine, constant, oneCycle, stepDecay, plateau, got "step"/,
  ],
  ['train --update never', /--update must be one of afterwards, everyStep, got "never"/],
  [
    'train --augment',
    /--augment must be left out with --dataset digits, got true; it is for cifar10, cifar100/,
  ],
  ['train --data here', /--data must be left out for --dataset digits, .* got "here"/],
  ['train --dataset mnist', /--data must be the folder with .* for --dataset mnist, got none/],
  ['train --dataset mnist --data /missing', /MNIST folder must exist, got "\/missing"/],
  [
    'train --dataset cifar10 --data /missing',
    /CIFAR-10 must be a folder or an archive, got "\/missing", which does not exist/,
  ],
  [
    'train --load /missing/w.safetensors',
    /weights must be a readable file, got .*the folder "\/missing" does not exist/,
  ],
  [
    'train --validation-split 0.2 --limit-test 10',
    /: --limit-test must be left out with --validation-split, .* got 10/,
  ],
  ['eval --limit-train 9', /: --limit-train must be left out with --split test, got 9/],
  [
    'eval',
    /either --run <folder>, --weights <file> or --pretrained <name> must be given, got none/,
  ],
  ['eval --run a --weights b', /got both; leave one out/],
  [
    'eval --run /missing',
    /the run's options\.json must be a readable file, got "\/missing\/options\.json"/,
  ],
  [
    'eval --weights /missing.safetensors',
    /weights must be a readable file, got "\/missing\.safetensors"/,
  ],
  [
    'info --time-steps 1000 --model cnn',
    /--time-steps must be at most 255 with method rate, got 1000; purpose/,
  ],
  ['trian', /unknown command 'trian' \(Did you mean train\?\)/],
]

for (const [args, message] of cases) test(`refuses ${args}`, () => refuse(args.split(' '), message))

// What the parser and the files' readers refuse.
test('a process of its own says the same', async () => {
  for (const [args, message] of cases.filter((_, i) => [1, 34].includes(i)))
    await refuse(args.split(' '), message, runProcess)
})

test('a folder for --out that cannot be written is refused before training', () =>
  withFolder(async (folder) => {
    const file = join(folder, 'file')
    await writeFile(file, 'content')
    const { code, stdout, stderr } = await run(['train', ...tiny, '--out', join(file, 'run')])
    assert.equal([code, stdout], [1, ''])
    assert.match(
      stderr,
      /^spikewasm: --out must be a folder that can be written, got .*is a file; choose another path\n$/,
    )
    assert.is(await readFile(file, 'utf8'), 'content')
  }))

test('a loss that is not a number names step and layer, and leaves what was saved before', () =>
  withFolder(async (folder) => {
    assert.is((await run(['train', ...tiny, '--out', folder])).code, 0)
    const weights = join(folder, 'weights.safetensors')
    const before = await readFile(weights)
    await refuse(['train', ...tiny, '--out', folder], /holds a run already; --resume/)
    const args = ['train', '--lr', '1e38', '--epochs', '1', '--out', join(folder, 'other')]
    const { code, stderr } = await run(args)
    assert.is(code, 1)
    assert.match(
      stderr,
      /^spikewasm: step \d+ of epoch 1: (the loss is (NaN|Infinity)|a gradient is not finite|the variance of a batch is not finite); it shows first in layer \S+ .*\n$/,
    )
    assert.ok(before.equals(await readFile(weights)))
    assert.is((await run(['eval', '--run', folder])).code, 0)
  }))

test('weights that are damaged or of another network are refused', () =>
  withFolder(async (folder) => {
    assert.is((await run(['train', ...tiny, '--out', folder])).code, 0)
    const weights = join(folder, 'weights.safetensors')
    const bytes = await readFile(weights)
    await refuse(
      ['eval', '--run', folder, '--model', 'mlp'],
      /state dict does not match the network; missing: 3\.weight, .*unexpected: 0\.weight/,
    )
    await refuse(
      ['train', '--model', 'mlp', '--load', weights],
      /state dict does not match the network/,
    )
    for (const length of [0, 5, 100, bytes.length >> 1, bytes.length - 1]) {
      await writeFile(weights, bytes.subarray(0, length))
      await refuse(['eval', '--run', folder], /weights\.safetensors/)
    }
    await refuse(['eval', '--run', folder], /weights\.safetensors: must be the file that the run/)
    // A folder of 0.1 has no manifest.
    await rm(join(folder, 'manifest.json'))
    await writeFile(join(folder, 'options.json'), '{"version": "0.1.0", "model": "cnn"')
    await refuse(
      ['eval', '--run', folder],
      /options\.json: must hold the options of a run, got something else .*valid JSON/,
    )
    await writeFile(join(folder, 'options.json'), '{"version": "0.1.0", "model": "transformer"}')
    await refuse(
      ['eval', '--run', folder],
      /options\.json: must hold the options of a run, got model: /,
    )
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
  withFolder(async (folder) => {
    const [good, bad] = [join(folder, 'good'), join(folder, 'bad')]
    await writeMnist(good, 11, (i) => i % 10)
    await writeMnist(bad, 11, (i) => (i === 13 ? 77 : i % 10))
    const train = ['train', '--dataset', 'mnist', '--epochs', '1', '--threads', '1']
    await refuse(
      [...train, '--data', bad],
      /labels must be integers from 0 to 9, got 77 at index 13/,
    )

    const out = join(folder, 'run')
    const { code, stderr } = await run([...train, '--data', good, '--out', out])
    assert.is(code, 0, stderr)
    assert.is((await run(['eval', '--run', out])).code, 0, 'the run knows where its data is')
    await refuse(
      ['eval', '--run', out, '--dataset', 'digits'],
      /run: the model takes samples of \[1, 11, 11\], got digits test with \[1, 8, 8\]; give --dataset/,
    )
  }))

test.run()
