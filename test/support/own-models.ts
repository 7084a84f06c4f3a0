/** Folders with modules of one's own, where `spikewasm` is the package that is tested. */

import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withFolder } from '../files/temporary.js'

export const packageFolder = fileURLToPath(new URL('../../../', import.meta.url))

const imports = "import { block, flatten, lif, linear, sequential } from 'spikewasm'\n"

/** A module that makes a network with so many hidden neurons. */
export const netModule = (hidden: number): string =>
  `${imports}export default async ({ input: [C, H, W], classes, tau }) =>
  sequential(flatten(), linear(C * H * W, ${hidden}), lif({ tau }), linear(${hidden}, classes))\n`

/** A module whose default export is this. */
export const moduleOf = (exported: string): string => `${imports}export default ${exported}\n`

export const withModules = <T>(
  modules: Readonly<Record<string, string>>,
  body: (folder: string) => Promise<T>,
): Promise<T> =>
  withFolder(async (folder) => {
    await mkdir(join(folder, 'node_modules'))
    await symlink(packageFolder, join(folder, 'node_modules', 'spikewasm'), 'junction')
    for (const [name, text] of Object.entries(modules)) await writeFile(join(folder, name), text)
    return body(folder)
  })
