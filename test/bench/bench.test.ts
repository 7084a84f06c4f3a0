/** The command of the repository's bench: its sections, options, and what it refuses. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runBench } from '../../bench/command.js'
import { parseOptions } from '../../bench/options.js'
import { run as runHere } from '../cli/in-process.js'

/** Where nothing is measured; V8's flags stay as they are. */
const run = (...args: string[]) => runHere([...args, '--no-revectorize'], { program: runBench })

test('the sections of the repository are listed beside the others', async () => {
  const { code, stdout } = await run('--only', 'official', '--list')
  assert.equal([code, stdout], [0, 'official\n'])
  const names = (await run('--list', '--quick')).stdout.trimEnd().split('\n')
  assert.ok(names.some((name) => name.startsWith('lif ')) && !names.includes('official'))
})

for (const [option, value, message] of [
  [
    'only',
    'kernel',
    /--only must be one of kernels, steps, inference, memory, edge, single, official, agreement, got "kernel"$/,
  ],
  [
    'only',
    'curves',
    /--only must be one of kernels, .*got "curves", which is gone; use --only official with --model, /,
  ],
  ['only', 'online', /got "online", which is gone; use --only official and --only agreement, /],
  ['only', 'outside', /got "outside", which is gone; use --only steps, .*model\.profile\(\)/],
  ['only', 'start', /got "start", which is gone; use --only memory, /],
  ['history', 'a.jsonl', /: --history is gone; use --json with a file, /],
  ['html', 'a.html', /: --html is gone; use --markdown, or --json /],
  ['only', 'accuracy', /got "accuracy", which is gone; use spikewasm train and /],
  ['threads', '0', /--threads must be an integer from 1 to 256, got "0"$/],
  ['steps', '10001', /--steps must be an integer from 1 to 10000, got "10001"$/],
  ['time-steps', '2.5', /--time-steps must be an integer from 1 to 255, got "2\.5"$/],
] as const)
  test(`--${option} ${value} is one line and exit code 2`, async () => {
    const { code, stderr } = await run(`--${option}`, value)
    assert.equal([code, stderr.slice(0, 11), stderr.split('\n').length], [2, 'spikewasm: ', 2])
    assert.match(stderr.trimEnd(), message)
  })

test('options of the comparison with the official code', () => {
  const { sections, python, official, steps } = parseOptions([])
  assert.equal(sections, ['kernels', 'steps', 'inference', 'memory'])
  assert.equal([python, official, steps], ['python3', undefined, undefined])
  const text =
    '--only official --official a --spikingjelly b --python c --model vgg11 --threads 1 --steps 3 ' +
    '--time-steps 6 --quick'
  const given = parseOptions(text.split(' '))
  assert.equal(given, {
    ...{ only: 'official', sections: ['official'], official: 'a', spikingjelly: 'b', python: 'c' },
    ...{ model: 'vgg11', threads: 1, steps: 3, timeSteps: 6, quick: true, revectorize: true },
  })
})

test.run()
