/** A build of nothing, for comparisons of loops, which take nothing from a build. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Makes a package in a folder. @returns the folder: a process has read all of it at once */
export function emptyBuild(folder: string): string {
  mkdirSync(folder, { recursive: true })
  const manifest = { name: 'spikewasm', version: '0.0.0', type: 'module' }
  const exports = { '.': './index.js', './ops': './ops.js' }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...manifest, exports }))
  writeFileSync(join(folder, 'index.js'), 'export {}\n')
  writeFileSync(join(folder, 'ops.js'), 'export {}\n')
  return folder
}
