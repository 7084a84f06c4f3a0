/**
 * What commands print about one small run, and what they say of wrong options: the whole text, but
 * for times and what the machine has, in test/cli/printed.txt.
 */
import { mkdtemp, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import { VERSION } from '../../src/base/version.js'
import { commands as programs } from '../../src/cli/program.js'
import { removeFolder } from '../files/temporary.js'
import { expectSnapshot } from '../support/snapshot.js'
import { run, tiny } from './in-process.js'

let folder = ''
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spikewasm-printed-'))
  await writeFile(
    join(folder, 'x.bin'),
    Float32Array.from({ length: 64 }, (_, i) => (i % 9) / 4),
  )
  await writeFile(join(folder, 'odd.json'), '{"grid": {"lr": [0.1, 0.1]}}')
  await writeFile(join(folder, 'bad.wasm'), 'no module')
})
test.after(() => removeFolder(folder))

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
  `train ${tiny.join(' ')} --model mlp --out run --epochs 2 --no-report`,
  `train ${tiny.join(' ')} --model mlp --json --method bptt --optimizer adam --ema 0.9`,
  `train ${tiny.join(' ')} --model mlp --loss mse --schedule plateau --clip-norm 1 --freeze 1.*`,
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
  written.push(
    '== files',
    (await readdir(folder)).sort().join(' '),
    (await readdir(join(folder, 'run'))).sort().join(' '),
  )
})

const odd = ['-1', '0', '1', '1.5', 'x', '1e999']
const numbered = [
  'epochs',
  'batch-size',
  'time-steps',
  'threads',
  'seed',
  'lr',
  'momentum',
  'weight-decay',
  'tau',
  'clip-norm',
  'accumulate',
  'ema',
  'warmup',
  'early-stopping',
  'validation-split',
  'label-smoothing',
  'alpha',
  'rate-penalty',
  'rate-target',
  'limit-train',
  'image-size',
  'replicas',
  'sync-every',
  'outer-lr',
  'outer-momentum',
  'train-share',
  'betas',
  'backward-steps',
  'checkpoint-every',
  'event-size',
]
/** A training of a moment. */
const few = '--model mlp --limit-train 8 --limit-test 4 --epochs 1 --threads 1 --json'
const wrong: readonly string[] = [
  ...numbered.flatMap((name) => odd.map((value) => `train ${few} --${name} ${value}`)),
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
  'eval',
  'predict',
  'predict x.bin',
  'export',
  'export --out a.wasm',
  'info --weights none',
  'eval --run run --weights run/weights.safetensors',
  'eval --run none',
  'eval --on bad.wasm',
  'eval --weights bad.wasm',
  'predict --run run none',
  'predict --run run bad.wasm',

  'export --run run --out a.txt',
  'export --run run --out run',
  'export --run run --out none/a.wasm',
  'export --run run --out a.wasm --labels a,b',
  'export --run run --out a.wasm --mean 1',

  'export --run run --out a.wasm --input-type u8 --mean 1,2',
  'export --run run --out a.wasm --name ',
  'export --run run --out a.wasm --precision i4',
  'info --program nothing --model mlp',
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

  'train --out run',
  'train --resume none',
  'train --resume run --epochs 1',
  'bench --html a.html',
  'bench --json none/a.json',
  'bench --json a.json --markdown a.json',
]

test('wrong options, line by line', async () => {
  for (const line of wrong) {
    const { code, stdout, stderr } = await run(line.split(' '), { cwd: folder })
    written.push(
      `${line.replace(few, '…')}: ${code} ${lasting(`${stdout}${stderr}`).trimEnd().slice(0, 200)}`,
    )
  }
})

test.after(() => expectSnapshot('cli/printed.txt', `${written.join('\n')}\n`, 'cli/printed'))

test.run()
