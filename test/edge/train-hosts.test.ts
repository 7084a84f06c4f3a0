/** Training steps outside of JavaScript: through wasm2c and gcc, and in WasmEdge. */

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { NetTarget } from '../../src/edge/abi.js'
import { exportWasm } from '../../src/edge/export.js'
import { openNet } from '../../src/edge/net.js'
import { readState } from '../../src/edge/state.js'
import { findSimde, findWasm2c, type Wasm2c } from '../../src/edge/verify/hosts/wasm2c.js'
import { cnn, compile, type Method } from '../../src/index.js'
import { withFolder } from '../files/temporary.js'
import { numbers } from '../support/exported.js'
import { differingState, makeBatch } from '../support/learning.js'
import { ofLong } from '../support/long.js'
import { skip } from '../support/runner.js'

const STEPS = ofLong(6, 50)
const source = fileURLToPath(new URL('../../../test/support/learner.c', import.meta.url))

function run(program: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0) throw error ?? new Error(`${program} ended with ${status}: ${stderr}`)
}

const has = (program: string): boolean => spawnSync(program, ['--version']).error === undefined

/** Why a host cannot run here; undefined where it can. */
type Missing = (target: NetTarget) => string | undefined

const wasm2c = await findWasm2c()
const simde = await findSimde()

const hosts: Record<string, { missing: Missing; build(folder: string, out: string): void }> = {
  'wasm2c and gcc': {
    missing: (target) =>
      !has('gcc') || wasm2c === undefined
        ? 'gcc or wasm2c is not installed'
        : target === 'scalar' || simde !== undefined
          ? undefined
          : 'simde is not installed',
    build(folder, out) {
      const { program, runtime, headers } = wasm2c as Wasm2c
      const code = join(folder, 'net-wasm.c')
      run(program, join(folder, 'net.wasm'), '--module-name=net', '-o', code)
      const companions = ['wasm-rt-impl.c', 'wasm-rt-mem-impl.c'].map((name) => join(runtime, name))
      // a·b + c must not become one instruction, which rounds once.
      const flags = ['-O1', '-march=native', '-ffp-contract=off', '-DWASM2C', '-w']
      const folders = [folder, runtime, headers, ...(simde === undefined ? [] : [simde])]
      const places = folders.map((path) => `-I${path}`)
      run('gcc', ...flags, ...places, source, code, ...companions, '-lm', '-o', out)
    },
  },
  WasmEdge: {
    missing: () =>
      has('gcc') && existsSync('/usr/include/wasmedge/wasmedge.h')
        ? undefined
        : 'gcc or WasmEdge with its headers is not installed',
    build: (_, out) => run('gcc', '-O1', '-w', source, '-lwasmedge', '-o', out),
  },
}

const ways: readonly [Method, NetTarget][] = [
  ['rate', 'simd'],
  ['sltt', 'simd'],
  ['rate', 'scalar'],
]

// To compile a file takes gcc seconds.
for (const [host, { missing, build }] of Object.entries(hosts))
  for (const [method, target] of ofLong(ways.slice(1), ways))
    test(`${host}, ${method}, ${target}: ${STEPS} steps give the bits of trainStep`, async () => {
      const why = missing(target)
      if (why !== undefined) {
        skip(why)
        return
      }
      await withFolder(async (folder) => {
        const options = { input: [1, 8, 8] as const, batchSize: 2, timeSteps: 3, method }
        const model = await compile(cnn([1, 8, 8], 10), options)
        const bytes = await exportWasm(model, { mode: 'train', target, batchSize: 2 })
        writeFileSync(join(folder, 'net.wasm'), bytes)
        const random = numbers(8)
        const batches = Array.from({ length: STEPS }, () => makeBatch(model, random))
        const [{ x, labels }] = batches
        const parts = [
          Uint32Array.of(STEPS, x.length, labels.length),
          ...batches.flatMap((batch) => [batch.x, batch.labels]),
        ]
        const data = Buffer.concat(parts.map((part) => Buffer.from(part.buffer)))
        writeFileSync(join(folder, 'batches'), data)
        build(folder, join(folder, 'learner'))
        run(
          join(folder, 'learner'),
          ...['batches', 'results', 'net.wasm'].map((name) => join(folder, name)),
        )
        const results = new Uint8Array(readFileSync(join(folder, 'results')))
        const floats = new Float32Array(results.buffer)
        const words = new Int32Array(results.buffer)
        for (const [step, batch] of batches.entries()) {
          const { loss, correct } = await model.trainStep(batch.x, batch.labels)
          assert.equal([floats[2 * step], words[2 * step + 1]], [loss, correct], `step ${step}`)
        }
        const { info, training } = await openNet(bytes)
        const params = floats.subarray(2 * STEPS)
        assert.is(params.length, training?.params.length)
        assert.is(differingState(readState(info, params), model.stateDict()), 0)
      })
    })

test.run()
