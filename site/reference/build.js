// Writes the generated pages of the reference into build/reference: what tables can say comes from
// the code. Runs behind the package's build, before VitePress.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { root } from '../links.js'
import { commandSections } from './commands.js'
import { exportedFileParts } from './exported-file.js'
import { functionPages } from './functions.js'
import { neuronSections } from './neurons.js'

const folder = join(root, 'build/reference')
const pages = functionPages()
pages['built-in-neurons'] += await neuronSections()
pages['command-line'] += await commandSections()
rmSync(folder, { recursive: true, force: true })
for (const [name, text] of Object.entries({ ...pages, ...(await exportedFileParts()) })) {
  mkdirSync(dirname(join(folder, name)), { recursive: true })
  writeFileSync(join(folder, `${name}.md`), text)
}
