/** All hosts, in the order of the table. A new host is a file, or a row of one, and a line here. */

import type { Host } from '../job.js'
import { browser } from './browser.js'
import { bun, gjs, node, wamr, wasm3, wasmedge, wasmedgeAot } from './compiled.js'
import { wasm2c, wasm2cAarch64 } from './wasm2c.js'

export const hosts: readonly Host[] = [
  node,
  browser,
  bun,
  gjs,
  wasmedge,
  wasmedgeAot,
  wamr,
  wasm3,
  wasm2c,
  wasm2cAarch64,
]

export const hostNames: readonly string[] = hosts.map(({ name }) => name)
