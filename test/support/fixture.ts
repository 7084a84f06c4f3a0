/** Arrays of PyTorch's code in a file of test/fixtures, by their names. */
import { readFileSync } from 'node:fs'
import { parseSafetensors, toFloat32 } from '../../src/files/safetensors.js'
import type { StateDict } from '../../src/index.js'

export function readFixture(file: string) {
  const path = new URL(`../../../test/fixtures/${file}`, import.meta.url)
  const { tensors, metadata } = parseSafetensors(readFileSync(path), file)
  const of = (name: string) => {
    const tensor = tensors.get(name)
    if (!tensor) throw new Error(`${file} has no ${name}`)
    return { shape: tensor.shape, data: toFloat32(tensor) }
  }
  /** What begins so, by the rest of its name. */
  const state = (prefix: string): StateDict =>
    Object.fromEntries(
      [...tensors.keys()]
        .filter((name) => name.startsWith(prefix))
        .map((name) => [name.slice(prefix.length), of(name)]),
    )
  const values = (name: string): Float32Array => of(name).data
  /** Whole numbers, of any type. */
  const numbers = (name: string): number[] => Array.from(tensors.get(name)?.data ?? [], Number)
  return { metadata, of, state, values, numbers }
}
