/**
 * Finds and compiles the engine's modules, in Node (from the package's files) or in a page (fetched
 * beside this file).
 */

export type EngineVariant = 'engine' | 'engine-threads' | 'engine-debug'

const compiled = new Map<EngineVariant, Promise<WebAssembly.Module>>()

/** The compiled module of a variant; each is compiled once for the process. */
export function loadEngine(variant: EngineVariant): Promise<WebAssembly.Module> {
  let module = compiled.get(variant)
  if (!module) {
    module = compile(new URL(`../../wasm/${variant}.wasm`, import.meta.url))
    compiled.set(variant, module)
  }
  return module
}

async function compile(url: URL): Promise<WebAssembly.Module> {
  if (url.protocol !== 'file:') return WebAssembly.compileStreaming(fetch(url))
  const { readFile } = await import('node:fs/promises')
  return WebAssembly.compile(await readFile(url))
}
