// Which files the steps of the build read.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** All files of a folder and those below, or the file itself; with "/" on every system. */
export function filesOf(path) {
  if (!existsSync(path)) return []
  if (statSync(path).isFile()) return [path]
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).replaceAll('\\', '/'))
    .sort()
}

export function contentOf(file) {
  try {
    return readFileSync(file)
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
    return 'missing'
  }
}

/** One hash of the names and contents of files. */
export function hashOf(files, content = contentOf) {
  const hash = createHash('sha256')
  for (const file of files) hash.update(`${file}\0`).update(content(file)).update('\0')
  return hash.digest('hex')
}

const isTest = (file) => /^(test|bench)\//.test(file)

/** All TypeScript of the project but the engine. */
function typescript() {
  const { include, exclude } = JSON.parse(readFileSync('tsconfig.json', 'utf8'))
  return include
    .flatMap(filesOf)
    .filter((file) => /\.[mc]?ts$/.test(file))
    .filter((file) => !exclude.some((folder) => file.startsWith(`${folder}/`)))
}

/** What the package is made of. */
export const packageSources = () => typescript().filter((file) => !isTest(file))

/** Tests and benchmarks. */
export const testSources = () => typescript().filter(isTest)
