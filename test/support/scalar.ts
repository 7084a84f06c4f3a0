/** A module with SIMD beside the same without, and random memory for both. */
import { lowerToScalar } from '../../src/edge/scalar/lower.js'
import { decodeModule } from '../../src/kernels/wasm/decode.js'
import { encodeModule } from '../../src/kernels/wasm/encode.js'
import { type Func, typeOf, visit } from '../../src/kernels/wasm/ir.js'

export interface Twin {
  readonly simd: WebAssembly.Instance
  readonly scalar: WebAssembly.Instance
  readonly scalarBytes: Uint8Array
}

/** @param make gives the functions; it is called twice, because lowering changes them */
export function twins(make: () => Func[]): Twin {
  const encode = (functions: readonly Func[], drivers: readonly Func[]): Uint8Array =>
    encodeModule({
      functions,
      exports: new Map(drivers.map((f) => [f.name, f])),
      start: undefined,
      pages: 1,
      segments: [],
      custom: [],
    })
  const plain = make()
  const lowered = make()
  const scalarBytes = encode(lowerToScalar(lowered, new Set(lowered)), lowered)
  const start = (bytes: Uint8Array): WebAssembly.Instance =>
    new WebAssembly.Instance(new WebAssembly.Module(bytes as BufferSource))
  return { simd: start(encode(plain, plain)), scalar: start(scalarBytes), scalarBytes }
}

export const bytesOf = ({ exports }: WebAssembly.Instance): Uint8Array =>
  new Uint8Array((exports.memory as WebAssembly.Memory).buffer)

export const call = ({ exports }: WebAssembly.Instance, name: string): unknown =>
  (exports[name] as () => unknown)()

/** Throws if a module has anything of vectors: a type, a local, an instruction. */
export function checkNoVectors(bytes: Uint8Array): void {
  for (const { name, params, result, locals, body } of decodeModule(bytes).values()) {
    const fail = (what: string): never => {
      throw new Error(`${name} has ${what}`)
    }
    if ([...params, ...locals, result].includes('v128')) fail('a type v128')
    visit(body, (e) => {
      if (typeOf(e) === 'v128') fail(`a vector by ${e.kind}`)
      if (e.kind === 'op' && e.op.code >> 16 === 0xfd) fail(e.op.name)
    })
  }
}
