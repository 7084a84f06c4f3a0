/** A small reader of .safetensors files for fixtures: float32 tensors and string metadata. */
import { readFileSync } from 'node:fs'

export interface Fixture {
  readonly metadata: Readonly<Record<string, string>>
  /** Values in row-major order; throws when the file holds no such float32 tensor. */
  tensor(name: string): { shape: number[]; values: Float32Array }
}

/** Reads test/fixtures/<name>.safetensors. */
export function readFixture(name: string): Fixture {
  const file = readFileSync(new URL(`../../../test/fixtures/${name}.safetensors`, import.meta.url))
  const headerBytes = Number(file.readBigUInt64LE(0))
  const header = JSON.parse(file.toString('utf8', 8, 8 + headerBytes)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >
  const { __metadata__: metadata, ...tensors } = header
  return {
    metadata: (metadata ?? {}) as unknown as Record<string, string>,
    tensor(key) {
      const entry = tensors[key]
      if (entry?.dtype !== 'F32')
        throw new Error(
          `${name} holds no float32 tensor "${key}", it has ${Object.keys(tensors).join(', ')}`,
        )
      const [begin, end] = entry.data_offsets
      const bytes = new Uint8Array(file.subarray(8 + headerBytes + begin, 8 + headerBytes + end))
      return { shape: entry.shape, values: new Float32Array(bytes.buffer, 0, bytes.length / 4) }
    },
  }
}
