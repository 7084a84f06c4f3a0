/**
 * Types of objects that pages and Node bring along. A program whose `lib` has no DOM, and that has
 * no `@types/node` either, compiles with our declarations too: where its types know such an object,
 * it is the very same, and else what is used of it.
 */

/** What the program's own types say of a global object; `Else` where they have none. */
type Global<Name extends string, Else> = typeof globalThis extends {
  readonly [K in Name]: { readonly prototype: infer Known }
}
  ? Known
  : Else

/** The same of an object of `WebAssembly`. */
type GlobalWasm<Name extends string, Else> = typeof globalThis extends {
  readonly WebAssembly: { readonly [K in Name]: { readonly prototype: infer Known } }
}
  ? Known
  : Else

export type URL = Global<'URL', { readonly href: string }>

export type Blob = Global<'Blob', Bytes>

export type File = Global<'File', Bytes & { readonly name: string }>

interface Bytes {
  readonly size: number
  arrayBuffer(): Promise<ArrayBuffer>
}

export type AbortSignal = Global<
  'AbortSignal',
  {
    readonly aborted: boolean
    addEventListener(type: 'abort', listener: () => void): void
    removeEventListener(type: 'abort', listener: () => void): void
  }
>

export type WasmModule = GlobalWasm<'Module', object>

export type WasmMemory = GlobalWasm<'Memory', { readonly buffer: ArrayBuffer }>

export type WasmTable = GlobalWasm<'Table', { readonly length: number }>
