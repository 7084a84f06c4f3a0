// Shortens source maps to one place for each line: stack traces then show the line of TypeScript,
// and the package is a fifth smaller. Takes the comments out of the declarations of the list of
// operations, which nobody imports from outside. Run by tools/build.mjs behind tsc; arguments are
// the folders.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { decode, encode } from '@jridgewell/sourcemap-codec'

/** The first place of each line of code, as if the line began with it. */
function firstPlaces(mappings) {
  return encode(
    decode(mappings).map((segments) => {
      const first = segments.find((segment) => segment.length >= 4)
      return first ? [[0, first[1], first[2], first[3]]] : []
    }),
  )
}

/** A source map, shortened. */
export function shortened(text) {
  const map = JSON.parse(text)
  return JSON.stringify({ ...map, names: [], mappings: firstPlaces(map.mappings) })
}

function shortenAll(folder) {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.js.map')) continue
    const path = join(folder, name)
    const text = readFileSync(path, 'utf8')
    const short = shortened(text)
    if (short !== text) writeFileSync(path, short)
  }
}

function bareOperations() {
  const operations = 'build/assembly/opcodes.d.ts'
  const declarations = readFileSync(operations, 'utf8')
  const bare = declarations.replace(/^ *\/\*\*.*?\*\/\n/gms, '')
  if (bare !== declarations) writeFileSync(operations, bare)
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  process.argv.slice(2).forEach(shortenAll)
  bareOperations()
}
