/** The code of a module. */
import { sectionsOf } from '../../src/wasm/reader.js'

const CODE_SECTION = 10

/** Contents of a module's code section. */
export function codeOf(bytes: Uint8Array): Uint8Array {
  for (const { id, contents } of sectionsOf(bytes))
    if (id === CODE_SECTION) return contents.take(contents.end - contents.at)
  return new Uint8Array()
}

/** Functions that a module defines. */
export function functionCount(bytes: Uint8Array): number {
  for (const { id, contents } of sectionsOf(bytes)) if (id === CODE_SECTION) return contents.u32()
  return 0
}
