// Writes tests and benchmarks as JavaScript, and nothing else: nobody imports them, so they need no
// declarations. What TypeScript says of their types tells `npm run typecheck`.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { build } from 'esbuild'
import { testSources } from './sources.mjs'

const { outputFiles } = await build({
  entryPoints: testSources(),
  outdir: 'build',
  outbase: '.',
  write: false,
  bundle: false,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  sourcemap: 'external',
  sourcesContent: false,
})
for (const { path, text } of outputFiles) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}
