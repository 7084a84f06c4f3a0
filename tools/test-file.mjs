// Runs one built test file. Stack traces show lines of TypeScript, as with --enable-source-maps.
// That option would also make each of the many worker threads of the tests read source maps.
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

process.setSourceMapsEnabled(true)
await import(pathToFileURL(resolve(process.argv[2])).href)
