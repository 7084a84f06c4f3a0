// What a network takes of a microcontroller: flash and RAM of a whole program, compiled with -Os
// from the C that wasm2c makes of the scalar file. docs/edge.md has some of its table.
// Needs wasm2c and gcc for the processors: Debian's wabt, gcc-arm-none-eabi,
// libnewlib-arm-none-eabi, gcc-riscv64-unknown-elf, picolibc-riscv64-unknown-elf. It says what it
// skips. Run `npm run build` before.
//
//   node tools/microcontroller.mjs
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cnn, exportWasm, mlp, netHeader, netInfo } from 'spikewasm'
import { refuse } from './options.mjs'

const networks = [
  ['mlp', mlp, [1, 8, 8]],
  ['cnn', cnn, [1, 8, 8]],
  ['cnn', cnn, [1, 28, 28]],
]
const processors = [
  [
    'Cortex-M7',
    'arm-none-eabi-',
    '-mcpu=cortex-m7 -mthumb -mfpu=fpv5-sp-d16 -mfloat-abi=hard --specs=nano.specs --specs=nosys.specs',
  ],
  [
    'RISC-V, rv32imac (ESP32-C6)',
    'riscv64-unknown-elf-',
    '-march=rv32imac_zicsr -mabi=ilp32 --specs=picolibc.specs',
  ],
]
// Before C11 wasm-rt.h asks for no mutexes.
const flags =
  '-Os -std=gnu99 -ffp-contract=off -ffunction-sections -fdata-sections -Wl,--gc-sections -DNDEBUG ' +
  '-DWASM_RT_MEMCHECK_BOUNDS_CHECK=1 -DWASM_RT_USE_MMAP=0 ' +
  '-DWASM_RT_NONCONFORMING_UNCHECKED_STACK_EXHAUSTION=1 -w -I. main.c port.c net-wasm.c -o net.elf'
const FLASH = /^\.(init|text|fini|rodata|eh_frame|ARM|init_array|fini_array|data)/
const RAM = /^\.(data|bss)/

const folder = mkdtempSync(join(tmpdir(), 'spikewasm-mcu-'))
process.on('exit', () => rmSync(folder, { recursive: true }))

function run(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: folder,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`${command}: ${error?.message ?? stderr}`)
  return stdout
}
const exists = (command) => spawnSync(command, ['--version']).status === 0
const row = (cells) => console.log(`| ${cells.join(' | ')} |`)

/** The scalar file of a network with numbers as of a trained one: 0 would be left out. */
async function fileOf(make, input, weights) {
  const model = await make(input, 10).compile({ input, purpose: 'inference' })
  const state = model.stateDict()
  for (const { data } of Object.values(state))
    for (const i of data.keys()) data[i] += 0.01 * (1.5 + Math.sin(i))
  model.loadStateDict(state)
  const bytes = await exportWasm(model, { target: 'scalar', weights, inputType: 'u8' })
  await model.dispose()
  return bytes
}

const header = ['/usr/include/wasm-rt.h', '/usr/local/include/wasm-rt.h'].find(existsSync)
if (!exists('wasm2c') || header === undefined)
  refuse('there is no wasm2c with its wasm-rt.h; install wabt')
cpSync(fileURLToPath(new URL('microcontroller', import.meta.url)), folder, { recursive: true })
cpSync(header, join(folder, 'wasm-rt.h'))
const found = processors.filter(([, prefix]) => exists(`${prefix}gcc`))
for (const [title, prefix] of processors.filter((one) => !found.includes(one)))
  console.log(`skipped ${title}: there is no ${prefix}gcc`)

const heads = ['network', 'weights', 'scalar file', 'used memory', 'processor', 'flash', 'RAM']
row(heads)
row(heads.map(() => '---'))
for (const [name, make, input] of networks)
  for (const weights of ['f32', 'int8']) {
    const bytes = await fileOf(make, input, weights)
    writeFileSync(join(folder, 'net.wasm'), bytes)
    writeFileSync(join(folder, 'net.h'), netHeader(bytes))
    run('wasm2c', ['--module-name=net', 'net.wasm', '-o', 'net-wasm.c'])
    for (const [title, prefix, own] of found) {
      run(`${prefix}gcc`, [...`${own} ${flags}`.split(' '), '-lm'])
      const sections = [...run(`${prefix}size`, ['-A', 'net.elf']).matchAll(/^(\.\S+) +(\d+)/gm)]
      // RAM is without the stack.
      const [flash, ram] = [FLASH, RAM].map((names) =>
        sections.reduce((sum, [, of, size]) => sum + (names.test(of) ? Number(size) : 0), 0),
      )
      const counts = [bytes.length, netInfo(bytes).usedBytes, flash, ram]
      const [file, used, ...both] = counts.map((count) => count.toLocaleString('en-US'))
      row([`\`${name}\`, ${input.join('×')}`, weights, file, used, title, ...both])
    }
  }
