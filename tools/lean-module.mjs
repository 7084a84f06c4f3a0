// A WebAssembly module without names that nobody asks for.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

// One of its own: what a compiler has done in this process would change bytes.
const fromCompiler = createRequire(
  createRequire(import.meta.url).resolve('assemblyscript/package.json'),
)
const { href } = pathToFileURL(fromCompiler.resolve('binaryen'))
const { default: binaryen } = await import(`${href}?alone`)

/** What AssemblyScript may use. */
const FEATURES = [
  ...['SIMD128', 'Atomics', 'NontrappingFPToInt', 'SignExt', 'MutableGlobals'],
  ...['BulkMemory', 'BulkMemoryOpt'],
]

/**
 * The same functions, bit for bit, without the exports but those of `kept`, and without what these
 * do not reach.
 */
export function leanModule(bytes, kept) {
  const module = binaryen.readBinary(bytes)
  module.setFeatures(FEATURES.reduce((all, name) => all | binaryen.Features[name], 0))
  const names = Array.from({ length: module.getNumExports() }, (_, i) =>
    binaryen.getExportInfo(module.getExportByIndex(i)),
  ).map(({ name }) => name)
  for (const name of kept) if (!names.includes(name)) throw new Error(`the engine has no ${name}`)
  for (const name of names) if (!kept.includes(name)) module.removeExport(name)
  module.runPasses(['remove-unused-module-elements'])
  if (!module.validate()) throw new Error('the lean module is not valid')
  const lean = module.emitBinary()
  module.dispose()
  return lean
}
