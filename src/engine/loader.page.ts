/**
 * In a page this stands for `@assemblyscript/loader`, of whose help with strings and lists the
 * engine needs nothing.
 */

export const instantiateSync = (
  module: WebAssembly.Module,
  imports: WebAssembly.Imports,
): { readonly instance: WebAssembly.Instance } => ({
  instance: new WebAssembly.Instance(module, imports),
})
