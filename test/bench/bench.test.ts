/**
 * The benchmarks run and write what continuous-benchmark actions read; figures are checked for
 * sense alone, never for speed.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runBench } from '../../bench/command.js'
import { parseOptions } from '../../bench/options.js'
import { run as runHere } from '../cli/in-process.js'

/** Where nothing is measured; V8's flags stay as they are. */
const run = (...args: string[]) => runHere([...args, '--no-revectorize'], { program: runBench })

test('the sections of the repository: listed, and mistakes are one line and exit code 2', async () => {
  const { code, stdout } = await run('--only', 'official', '--list')
  assert.equal([code, stdout], [0, 'official\n'])
  const names = (await run('--list', '--quick')).stdout.trimEnd().split('\n')
  assert.ok(names.some((name) => name.startsWith('lif ')) && !names.includes('official'))
  for (const [args, message] of [
    [
      ['--only', 'kernel'],
      /^spikewasm: --only must be one of kernels, steps, inference, memory, edge, single, official, agreement, got "kernel"\n$/,
    ],
    [
      ['--only', 'curves'],
      /^spikewasm: --only must be one of edge, .*got "curves", which is gone; use --only official with --model, /,
    ],
    [
      ['--only', 'online'],
      /got "online", which is gone; use --only official and --only agreement, /,
    ],
    [['--only', 'outside'], /got "outside", which is gone; use --only steps, .*model\.profile\(\)/],
    [['--threads', '0'], /^spikewasm: --threads must be an integer from 1 to 256, got "0"\n$/],
    [
      ['--steps', '10001'],
      /^spikewasm: --steps must be an integer from 1 to 10000, got "10001"\n$/,
    ],
    [['--only', 'accuracy'], /got "accuracy", which is gone; use spikewasm train and /],
    [
      ['--time-steps', '2.5'],
      /^spikewasm: --time-steps must be an integer from 1 to 255, got "2\.5"\n$/,
    ],
  ] as const) {
    const { code, stderr } = await run(...args)
    assert.is(code, 2, args.join(' '))
    assert.match(stderr, message)
  }
})

test('options of the comparison with the official code', () => {
  const plain = parseOptions([])
  assert.equal(plain.sections, ['kernels', 'steps', 'inference', 'memory'])
  assert.equal(
    [plain.official, plain.spikingjelly, plain.python, plain.steps, plain.timeSteps],
    [undefined, undefined, 'python3', undefined, undefined],
  )
  for (const section of ['official', 'agreement'] as const) {
    const given = parseOptions(
      `--only ${section} --official a --spikingjelly b --python c --model vgg11 --threads 1 --steps 3 --time-steps 6 --quick`.split(
        ' ',
      ),
    )
    assert.equal(given.sections, [section])
    assert.equal(
      [given.official, given.spikingjelly, given.python, given.model],
      ['a', 'b', 'c', 'vgg11'],
    )
    assert.equal([given.threads, given.steps, given.timeSteps, given.quick], [1, 3, 6, true])
  }
})

test('the comparison with the official code says what is missing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  try {
    // Folders that look like the checkouts.
    const [official, spikingjelly] = [join(folder, 'official'), join(folder, 'jelly')]
    mkdirSync(join(official, 'model'), { recursive: true })
    writeFileSync(join(official, 'model/model_setting.py'), '')
    mkdirSync(join(spikingjelly, 'spikingjelly/activation_based'), { recursive: true })
    const code =
      /--official must be a checkout of the paper's code, got .*; get it by git clone https.*\n$/
    const jelly =
      /--spikingjelly must be a checkout of SpikingJelly 0\.0\.0\.0\.14, .* got none; get it by git clone .*\n$/
    const both = ['--official', official, '--spikingjelly', spikingjelly]
    for (const section of ['official', 'agreement'])
      for (const [args, message] of [
        [[], code],
        [['--official', official], jelly],
        [['--official', spikingjelly, '--spikingjelly', official], code],
        [
          [...both, '--model', 'mlp'],
          /^spikewasm: --model must be one of cnn, .*preactResnet34 for the official code, got "mlp"\n$/,
        ],
        [
          [...both, '--python', join(folder, 'nothing')],
          /^spikewasm: bench\.python: .*nothing could not run the official code: .*ENOENT; .*PyTorch.*--python/,
        ],
      ] as const) {
        const { code, stderr } = await run('--only', section, ...args)
        assert.is(code, 2, `${section} ${args}`)
        assert.match(stderr, message, `${section} ${args}`)
      }
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test.run()
