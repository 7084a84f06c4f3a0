// What a network takes of a microcontroller: flash and RAM of a whole program, compiled with -Os
// from the C that wasm2c makes of the scalar file. Prints the table of docs/edge.md.
// Needs wasm2c and gcc for the processors: Debian's wabt, gcc-arm-none-eabi,
// libnewlib-arm-none-eabi, gcc-riscv64-unknown-elf, picolibc-riscv64-unknown-elf. It says what it
// skips. Run `npm run build` before.
//
//   node tools/microcontroller.mjs
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const built = (path) => import(pathToFileURL(join(root, 'build/src', path)).href)
const { compile } = await built('model/compile.js')
const { models } = await built('model/models/registry.js')
const { exportWasm } = await built('edge/export.js')
const { netHeader } = await built('edge/header.js')
const { netInfo } = await built('edge/net.js')

const networks = [
  { name: 'mlp', input: [1, 8, 8] },
  { name: 'cnn', input: [1, 8, 8] },
  { name: 'cnn', input: [1, 28, 28] },
]

const processors = [
  {
    title: 'Cortex-M7',
    prefix: 'arm-none-eabi-',
    flags: [
      '-mcpu=cortex-m7',
      '-mthumb',
      '-mfpu=fpv5-sp-d16',
      '-mfloat-abi=hard',
      '--specs=nano.specs',
      '--specs=nosys.specs',
    ],
  },
  {
    title: 'RISC-V, rv32imac (ESP32-C6)',
    prefix: 'riscv64-unknown-elf-',
    flags: ['-march=rv32imac_zicsr', '-mabi=ilp32', '--specs=picolibc.specs'],
  },
]

const flags = [
  '-Os',
  // Before C11 wasm-rt.h asks for no mutexes.
  '-std=gnu99',
  '-ffp-contract=off',
  '-ffunction-sections',
  '-fdata-sections',
  '-Wl,--gc-sections',
  '-DNDEBUG',
  '-DWASM_RT_MEMCHECK_BOUNDS_CHECK=1',
  '-DWASM_RT_USE_MMAP=0',
  '-DWASM_RT_NONCONFORMING_UNCHECKED_STACK_EXHAUSTION=1',
  '-w',
]

function run(command, args, cwd) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command}: ${error?.message ?? stderr}`)
  return stdout
}

const exists = (command) => spawnSync(command, ['--version']).status === 0

/** Bytes of flash, and of RAM without the stack, of a linked program. */
function sizeOf(processor, folder) {
  const { prefix, flags: own } = processor
  const sources = ['main.c', 'port.c', 'net-wasm.c']
  run(`${prefix}gcc`, [...flags, ...own, '-I.', ...sources, '-o', 'net.elf', '-lm'], folder)
  const sections = run(`${prefix}size`, ['-A', 'net.elf'], folder)
  const sum = (names) =>
    [...sections.matchAll(/^(\.\S+) +(\d+)/gm)]
      .filter(([, name]) => names.test(name))
      .reduce((bytes, [, , size]) => bytes + Number(size), 0)
  return {
    flash: sum(/^\.(init|text|fini|rodata|eh_frame|ARM|init_array|fini_array|data)/),
    ram: sum(/^\.(data|bss)/),
  }
}

const count = (value) => value.toLocaleString('en-US')

/** Numbers as of a trained network: none of them is 0, which the file would leave out. */
const anyWeights = (state) =>
  Object.fromEntries(
    Object.entries(state).map(([name, { shape, data }]) => [
      name,
      { shape, data: data.map((value, i) => value + 0.01 * (1.5 + Math.sin(i))) },
    ]),
  )

async function main() {
  const header = ['/usr/include/wasm-rt.h', '/usr/local/include/wasm-rt.h'].find(existsSync)
  if (!exists('wasm2c') || header === undefined) {
    console.log('skipped: there is no wasm2c with its wasm-rt.h; install wabt')
    return
  }
  const found = processors.filter(({ title, prefix }) => {
    const there = exists(`${prefix}gcc`)
    if (!there) console.log(`skipped ${title}: there is no ${prefix}gcc`)
    return there
  })
  console.log('| network | weights | scalar file | used memory | processor | flash | RAM |')
  console.log('| --- | --- | --- | --- | --- | --- | --- |')
  for (const { name, input } of networks)
    for (const weights of ['f32', 'int8']) {
      const model = await compile(models[name](input, 10), { input, purpose: 'inference' })
      model.loadStateDict(anyWeights(model.stateDict()))
      const bytes = await exportWasm(model, { target: 'scalar', weights, inputType: 'u8' })
      await model.dispose()
      const folder = mkdtempSync(join(tmpdir(), 'spikewasm-mcu-'))
      try {
        writeFileSync(join(folder, 'net.wasm'), bytes)
        writeFileSync(join(folder, 'net.h'), netHeader(bytes))
        copyFileSync(header, join(folder, 'wasm-rt.h'))
        for (const file of ['main.c', 'port.c'])
          copyFileSync(join(root, 'tools/microcontroller', file), join(folder, file))
        run('wasm2c', ['--module-name=net', 'net.wasm', '-o', 'net-wasm.c'], folder)
        for (const processor of found) {
          const { flash, ram } = sizeOf(processor, folder)
          const cells = [
            `\`${name}\`, ${input.join('×')}`,
            weights,
            count(bytes.length),
            count(netInfo(bytes).usedBytes),
            processor.title,
            count(flash),
            count(ram),
          ]
          console.log(`| ${cells.join(' | ')} |`)
        }
      } finally {
        rmSync(folder, { recursive: true })
      }
    }
}

await main()
