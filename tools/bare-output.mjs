// Takes out of built code what the package has no use for: the comments that name source maps, which
// are not packed (stack traces of a clone find them beside the files), and the comments in the
// declarations of the list of operations, which nobody imports from outside. Run by tools/build.mjs
// behind tsc; arguments are the folders.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

function takeOut(path, comments) {
  const text = readFileSync(path, 'utf8')
  const bare = text.replace(comments, '')
  if (bare !== text) writeFileSync(path, bare)
}

for (const folder of process.argv.slice(2))
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    if (name.endsWith('.js')) takeOut(join(folder, name), /^\/\/# sourceMappingURL=.*$/m)
takeOut('build/assembly/opcodes.d.ts', /^ *\/\*\*.*?\*\/\n/gms)
