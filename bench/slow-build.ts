/**
 * Copies of this build for tests of comparisons: an equal one whose code lies elsewhere, or one in
 * which a kernel is slower: a loop that computes nothing of use runs behind each unit of it.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ownRoot } from '../src/bench/compare/builds.js'
import { kinds } from '../src/kernels/records/index.js'

/** Copies what a package holds. @param folder is made */
export function copyBuild(folder: string): void {
  const root = ownRoot()
  mkdirSync(folder, { recursive: true })
  cpSync(join(root, 'package.json'), join(folder, 'package.json'))
  for (const part of ['dist', 'wasm'])
    cpSync(join(root, 'build', part), join(folder, 'build', part), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir')
}

/** Operations, and the benchmark that shows each best. */
export const targets: readonly (readonly [op: string, benchmark: string])[] = [
  ['SpikeForward', 'conv2d spikes 128x16x16-128 k3 B4 T4 d0.10'],
  ['Neuron', 'lif 256x8x8 B4 T4'],
  ['ConvDense', 'conv2d dense 256x8x8-256 k3 B4 T4'],
  ['NeuronBackwardRate', 'lifBackward rate 256x8x8 B4'],
  ['WinogradInputGradient', 'conv2dInputGradient auto 128x16x16-128 k3 B4'],
  ['ListWeightGradient', 'conv2dWeightGradient lists 128x16x16-128 k3 B4 T4 d0.20'],
  ['NeuronBackwardTime', 'lifBackward time 256x8x8 B4 T4'],
  ['Dropout', 'dropout 256x8x8 B4 T4'],
  ['TimeSum', 'timeSum 256x8x8 B4 T4'],
  ['ConvNarrow', 'conv2d image 3x32x32-64 k3 B4'],
]

/** Whether a benchmark is of the same kernel as another: the op, and its algorithm if it has one. */
export const isOf = (name: string, benchmark: string): boolean =>
  name.startsWith(/^\w+( [a-z]\w*)? /i.exec(benchmark)?.[0] ?? benchmark)

const BURN = `
/** Takes time: a chain of dependent operations. */
function burn(rounds: i32): void {
  let x: f64 = 1
  for (let i = 0; i < rounds; i++) x = x * 0.999 + 0.001
  if (x < 0) unreachable()
}
`

/** Builds the engine of a copy anew. @param change of a copy of the sources, by its folder */
function rebuild(folder: string, change: (assembly: string) => void): void {
  const root = ownRoot()
  const tools = ['build-wasm.mjs', 'unroll.mjs'].map((file) => `tools/${file}`)
  for (const part of ['assembly', 'asconfig.json', 'package.json', ...tools])
    cpSync(join(root, part), join(folder, 'source', part), { recursive: true })
  change(join(folder, 'source/assembly'))
  const modules = join(folder, 'source/node_modules')
  if (!existsSync(modules)) symlinkSync(join(root, 'node_modules'), modules, 'dir')
  const { status, stderr } = spawnSync(process.execPath, ['tools/build-wasm.mjs', 'release'], {
    cwd: join(folder, 'source'),
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`the changed engine does not compile: ${stderr.slice(-2000)}`)
  cpSync(join(folder, 'source/build/wasm/engine.wasm'), join(folder, 'build/wasm/engine.wasm'))
}

/**
 * Builds the engine of a copy anew, with `rounds` of a loop behind each unit of an operation.
 * @param op its name in src/kernels/records, for example Neuron
 * @throws Error when there is no such operation, or it does not compile
 */
export function slowDown(folder: string, op: string, rounds: number): void {
  rebuild(folder, (assembly) => {
    const path = join(assembly, 'generated/kernels.ts')
    writeFileSync(path, withLoop(readFileSync(path, 'utf8'), op, rounds))
  })
}

/**
 * Builds the engine of a copy anew, with functions in front that nobody calls. V8 shares optimised
 * code between modules of equal bytes; so it does not, and all code lies elsewhere, as it does in
 * two versions that differ.
 * @param length statements of those functions
 */
export function moveCode(folder: string, length: number): void {
  rebuild(folder, (assembly) => {
    writeFileSync(join(assembly, 'dead.ts'), deadCode(length))
    const index = join(assembly, 'index.ts')
    const text = readFileSync(index, 'utf8')
    writeFileSync(index, `export { deadNumbers, deadVectors } from './dead'\n${text}`)
  })
}

/** Functions that no optimiser makes shorter. */
export function deadCode(length: number): string {
  const lines = (text: (i: number) => string): string =>
    Array.from({ length }, (_, i) => text(i + 1)).join('\n')
  return `export function deadNumbers(x: f64): f64 {
${lines((i) => `  x = x * ${i}.5 + sqrt(x)`)}
  return x
}

export function deadVectors(at: usize): void {
  let x = v128.load(at)
${lines((i) => `  x = f32x4.add(f32x4.sqrt(x), f32x4.splat(${i}))`)}
  v128.store(at, x)
}
`
}

/**
 * The source of the table of operations with a loop behind the call of one.
 * @throws Error when it has no such operation
 */
export function withLoop(source: string, op: string, rounds: number): string {
  const kind = kinds.find(({ name }) => name === op)
  if (!kind) throw new Error(`there is no operation ${op}`)
  const call = new RegExp(`case ${kind.op}:\\n( +)\\w+\\(.*\\n`)
  return `${source.replace(call, `$&$1burn(${rounds})\n`)}${BURN}`
}
