#!/usr/bin/env node
// The command `spikewasm`. It is not built, so that npm and npx find it in a fresh clone too.
import { existsSync } from 'node:fs'

const main = new URL('../build/dist/cli.js', import.meta.url)
if (existsSync(main)) await import(main.href)
else {
  console.error('spikewasm is not built yet; run "npm run build" first')
  process.exitCode = 1
}
