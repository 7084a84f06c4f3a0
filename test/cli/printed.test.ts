/**
 * What commands print about one small run, and what they say of wrong options: the whole text, but
 * for times and what the machine has, in test/cli/printed.txt.
 */
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { VERSION } from '../../src/base/version.js'
import { trainSpecs } from '../../src/cli/commands/training-flags.js'
import { commands as programs } from '../../src/cli/program.js'
import { flagOf, type Specs } from '../../src/cli/spec.js'
import { parseState, serializeState } from '../../src/files/state.js'
import { folderFor } from '../files/temporary.js'
import { expectSnapshot } from '../support/snapshot.js'
import { tinyNet } from '../support/tiny-net.js'
import { run, small } from './in-process.js'

const folder = folderFor(test)
test.before(async () => {
  const good = tinyNet({ info: { input: [1, 8, 8], classes: 10 } })
  const files = {
    'x.bin': Float32Array.from({ length: 64 }, (_, i) => (i % 9) / 4),
    'odd.json': '{"grid": {"lr": [0.1, 0.1]}}',
    'bad.wasm': 'no module',
    'good.wasm': good,
    'cut.wasm': good.subarray(0, -7),
    'small.wasm': tinyNet(),
    'few.wasm': tinyNet({ info: { input: [1, 8, 8] } }),
    'two.txt': 'a\nb\n',
    'by-hand.h': '/* mine */\n',
    'kept.bench.mjs': '',
  }
  for (const [name, content] of Object.entries(files))
    await fs.writeFile(join(folder, name), content)
  for (const name of ['folder.wasm', 'd/x.h'])
    await fs.mkdir(join(folder, name), { recursive: true })
  const fixture = (name: string): string =>
    fileURLToPath(new URL(`../../../test/fixtures/nir/${name}.nir`, import.meta.url))
  await fs.copyFile(fixture('conv'), join(folder, 'conv.nir'))
})

const written: string[] = []

/** What the machine is, line by line. */
const MACHINE = /^ *(Node|platform|processor|WebAssembly|wide vectors|machine) +.*$/gm

/** Without what differs from run to run, from machine to machine and from build to build. */
const lasting = (text: string): string =>
  text
    .replaceAll(folder, 'FOLDER')
    .replaceAll(VERSION, 'VERSION')
    .replace(MACHINE, '$1 …')
    .replace(
      /"(\w*seconds|samplesPerSecond|\w+(Ms|MB|Bytes|bytes)|bytes|cores)": ?[\d.e-]+/gi,
      '"$1":…',
    )
    .replace(/"(id|node|platform|processor|wasm|\w*sha256)": ?"[^"]*"/gi, '"$1":…')
    .replace(/"(wideVectors|simd|threads)": ?({[^}]*}|true|false)/g, '"$1":…')
    .replace(/[\d.,]+ ?(ms|s|min|[KM]B|bytes|(samples|images)?\/s)(?!\w)/g, '… $1')
    .replace(/\d+\.\d{6,}(e-?\d+)?/g, (number) => Number(number).toPrecision(5))
    .replace(/of \d+ threads/g, 'of … threads')
    // Tables are as wide as what differs.
    .replace(/─+/g, '─')
    .replace(/ +/g, ' ')
    // Bytes of a module and their seal, which each edit of the engine changes.
    .replace(/(\.(?:wasm|txt) │)( [\d,]+ │){2}/g, '$1 … │ … │')
    .replace(/yes: [0-9a-f]{8}/g, 'yes: …')

const commands: readonly string[] = [
  '--help',
  ...Object.keys(programs).flatMap((name) => [`${name} --help`, `${name} --help all`]),
  `train ${small} --model mlp --out run --epochs 2 --no-report`,
  `train ${small} --model mlp --json --method bptt --optimizer adam --ema 0.9`,
  `train ${small} --model mlp --loss mse --schedule plateau --clip-norm 1 --freeze 1.*`,
  'eval --run run',
  'eval --run run --json',
  'eval --run run --best --limit-test 20 --batch-size 7',
  'eval --weights run/weights.safetensors --limit-test 20',
  'predict --run run x.bin',
  'predict --run run --json x.bin x.bin',
  'info --run run',
  'info --model mlp --time-steps 2 --batch-size 4 --threads 1',
  'info --weights run/weights.safetensors --threads 1',
  'export --run run --out net.wasm',
  'export --run run --out step.wasm --mode step --precision i8 --input-type u8 --json',
  'export --run run --out both.wasm --target both --mode both --labels a,b,c,d,e,f,g,h,i,j',
  'export --run run --out train.wasm --mode train --batch-size 3',
  'info --weights net.wasm',
  'info --weights step.wasm --json',
  'predict --weights net.wasm x.bin',
  'predict --weights train.wasm x.bin --json',
  'eval --on net.wasm --limit-test 20',
  'eval --on step.wasm --json --limit-test 20',
  'train --resume run',
  'report run',
]

test('commands about one run', async () => {
  for (const line of commands) {
    const { code, stdout, stderr } = await run(line.split(' '), { cwd: folder, columns: undefined })
    written.push(`== ${line}: ${code}`, ...[stdout, stderr].map(lasting).filter((text) => text))
  }
  const names = await Promise.all(['.', 'run'].map((path) => fs.readdir(join(folder, path))))
  written.push('== files', ...names.map((list) => list.sort().join(' ')))
})

/** A training of a moment. */
const few = '--model mlp --limit-train 8 --limit-test 4 --epochs 1 --threads 1 --json'
const odd = ['-1', '0', '1', '1.5', 'x', '1e999']

/** Each option of `train` with values that fit and that do not; a page is no text. */
const { dashboard: _, ...ofTrain } = trainSpecs as Specs
const options = Object.entries(ofTrain).flatMap(([key, { takes, read, names }]) => {
  if (takes === 'no') return [flagOf(`no-${key}`)]
  if (takes === '') return [flagOf(key)]
  const values = names ? [names[0], 'x'] : read ? odd : ['y']
  return values.map((value) => `${flagOf(key)} ${value}`)
})

const wrong: readonly string[] = [
  ...options.map((option) => `train ${few} ${option}`),
  ...odd.flatMap((value) => [
    `eval --run run --limit-test ${value}`,
    `eval --run run --batch-size ${value} --limit-test 1`,
    `eval --weights none --time-steps ${value}`,
    `export --weights none --classes ${value} --out a.wasm`,
    `export --run run --out a.wasm --batch-size ${value}`,
    `info --model mlp --threads ${value} --batch-size 1`,
    `info --model mlp --batch-size ${value} --threads 1`,
    `bench --list --filter xyz --seconds ${value}`,
    `sweep odd.json --jobs ${value} --out s`,
    `worker --concurrency ${value}`,
    `worker --lock-duration ${value}`,
    `worker --time-limit ${value}`,
    `verify --weights none --samples ${value}`,
    `verify --weights none --seconds ${value}`,
    `diagnose --steps ${value} --weights none`,
    `diagnose --time-steps ${value} --weights none`,
    `show none --frames ${value}`,
    `show none --sensor ${value}`,
  ]),
  'foo',
  'trian',
  'train digits',
  'train --epoch 3',
  'train --lr',
  'train --optimizer adam --lr -1',
  'train --optimizer adam --momentum 0.9',
  'train --optimizer adam --nesterov',
  'train --optimizer adam --betas 0.8',
  'train --optimizer adam --decay all',
  'train --optimizer adamW --lr-for bptt',
  'train --nesterov --momentum 0',
  'train --loss mse --alpha 1',
  'train --loss mse --label-smoothing 0.1',
  'train --loss tet --loss-of rates',
  'train --loss selfDistillation --alpha -1',
  'train --schedule oneCycle --warmup 1',
  'train --freeze a,,b',
  'train --rate-penalty 1 --rate-target 1.5',
  'train --lr-for bptt --clip-norm -1',
  'train --replicas 2 --namespace other',
  'train --loss tet',
  'train --step-mode m --method ottt --model mlp',
  'train --backward-steps 9 --method sltt',
  'train --gradient-checkpoint all --method bptt',
  'train --rate-penalty 1 --method ottt',
  'train --data here',
  'train --dataset mnist',
  'train --dataset mnist --data /missing',
  'train --dataset cifar10 --data /missing',
  'train --dataset images --data run',
  'train --dataset images --data run --train-share 2',
  'train --dataset nmnist --data . --time-window 5',
  'train --dataset nmnist --data . --encoder rate',
  'train --dataset nmnist --data .',
  'train --load /missing/w.safetensors',
  'train --load good.wasm',
  'train --validation-split 0.2 --limit-test 10',
  'train --dashboard=70000',
  'train --dashboard=1.5',
  'train --out run',
  'train --out x.bin/run',
  'train --resume none',
  'train --resume run --epochs 1',
  'eval',
  'eval --limit-train 9',
  'eval --run run --weights run/weights.safetensors',
  'eval --run run --model cnn',
  'eval --run none',
  'eval --weights bad.wasm',
  'eval --on no.wasm',
  'eval --on bad.wasm',
  'eval --on cut.wasm',
  'eval --on small.wasm',
  'eval --on few.wasm',
  'eval --on good.wasm --weights w',
  'eval --on good.wasm --time-steps 4',
  'eval --on good.wasm --model mlp',
  'eval --on good.wasm --per-class',
  'eval --on good.wasm --run no',
  'eval --on good.wasm --dataset mnist',
  'eval --pretrained fashion-mnist-cnn --dt 1',
  'eval --nir conv.nir',
  'eval --nir conv.nir --weights conv.nir',
  'eval --nir conv.nir --model cnn',
  'eval --nir conv.nir --tau 2',
  'eval --nir conv.nir --dt 0',
  'predict',
  'predict x.bin',
  'predict --run run none',
  'predict --run run bad.wasm',
  'predict --weights small.wasm --tau 2 x.bin',
  'predict --pretrained fashion-mnist-cnn --encoder rate x.bin',
  'info --weights none',
  'info --nir none.nir',
  'info --time-steps 1000 --model cnn',
  'info --program train',
  'info --program nothing --model mlp',
  'info --program train --nir conv.nir',
  'info --weights small.wasm --model mlp',
  'info --weights small.wasm --time-steps 3',
  'info --weights small.wasm --program single',
  'export',
  'export --out a.wasm',
  'export --run run --weights w --out a.wasm',
  'export --run none --out a.wasm',
  'export --run run --out a.txt',
  'export --run run --out a.h',
  'export --run run --out run',
  'export --run run --out none/a.wasm',
  'export --run run --out folder.wasm',
  'export --run run --out d/x.wasm',
  'export --run run --out by-hand.wasm',
  'export --run run --out a.wasm --target avx',
  'export --run run --out a.wasm --mode x',
  'export --run run --out a.wasm --mode train --precision int8',
  'export --run run --out a.wasm --precision i4',
  'export --run run --out a.wasm --labels a,b',
  'export --run run --out a.wasm --labels T-shirt/top,b',
  'export --run run --out a.wasm --labels nofile.txt',
  'export --run run --out a.wasm --labels two.txt',
  'export --run run --out a.wasm --labels a,b,c,d,e,f,g,,i,j',
  'export --run run --out a.wasm --mean 0,x',
  'export --run run --out a.wasm --mean 1',
  'export --run run --out a.wasm --input-type u8 --std 0',
  'export --run run --out a.wasm --input-type u8 --mean 1,2',
  'export --run run --out a.wasm --name ',
  'export --run run --out a.wasm --model cnn',
  'export --run run --out a.wasm --data here',
  'export --run run --out a.wasm --input 1,8',
  'export --run run --out a.wasm --dt 0.1',
  'export --run run --out a.nir --precision int8',
  'export --run run --out a.nir --reset zero',
  'export --weights w --out a.wasm --input 1,8,8',
  'export --weights w --out a.wasm --input 1,2,3,4 --model mlp --classes 10',
  'export --weights w --out a.wasm --input 1.5,3 --model mlp --classes 10',
  'export --weights w --out a.wasm --input 1,8,8 --limit-test 9',
  'export --weights w --out a.wasm --input 1,8,8 --model mlp --classes 10 --input-type u8',
  'export --weights good.wasm --out a.wasm',
  'verify good.wasm --weights good.wasm',
  'diagnose --weights good.wasm',
  'sweep',
  'sweep odd.json',
  'sweep odd.json --out s',
  'sweep none.json --out s',
  'sweep odd.json --out s --jobs 1 --redis redis://x',
  'sweep odd.json --out s --shared f',
  'worker',
  'worker --redis http://x',
  'report',
  'report none',
  'show',
  'show none',
  'show none --layer 2',
  'bench --html a.html',
  'bench --history',
  'bench --only start',
  'bench --fast',
  'bench --only kernel',
  'bench --threads 0',
  'bench --density 0.1,2',
  'bench --shape 64',
  'bench --filter nothing',
  'bench --model lenet',
  'bench two.txt',
  'bench --json none/a.json',
  'bench --json kept.bench.mjs',
  'bench --json x.bin/a.json',
  'bench --json a.json --markdown a.json',
  'bench --json a.json --markdown ./a.json',
  'bench --markdown .',
  'bench --save-baseline b.json --threshold 5',
  'bench --threshold 3',
]

test('wrong options: one line on standard error each, and no file beside those before', async () => {
  const weights = await fs.readFile(join(folder, 'run/weights.safetensors'))
  // Weights without their network.
  await fs.writeFile(join(folder, 'w'), serializeState(parseState(weights, 'run')))
  const files = async (): Promise<string[]> =>
    (await fs.readdir(folder, { recursive: true })).sort()
  for (const line of wrong) {
    const before = await files()
    const { code, stdout, stderr } = await run(line, { cwd: folder })
    if (code !== 0) {
      assert.match(stderr, /^spikewasm: [^\n]+\n$/, line)
      assert.equal([stdout, await files()], ['', before], line)
    }
    const said = lasting(`${stdout}${stderr}`).trimEnd().slice(0, 200)
    written.push(`${line.replace(few, '…')}: ${code} ${said}`)
  }
})

test.after(() => expectSnapshot('cli/printed.txt', `${written.join('\n')}\n`, 'cli/printed'))

test.run()
