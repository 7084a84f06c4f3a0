// Runs the trainings of test/golden/cases.ts from build/ and compares the hashes of their numbers
// with test/golden/golden.json. Ends with exit code 1 when one differs.
//
//   --update        take the numbers over into golden.json instead
//   --all           the slow ones too
//   --only TEXT     those whose name contains the text
//   --threads N     on N threads (default 1)
//   --engine NAME   release (default) or debug
import { existsSync, writeFileSync } from 'node:fs'
import { flag, integer, readOptions, text } from './options.mjs'

function fail(message) {
  console.error(message)
  process.exit(1)
}

const { update, all, only, threads, engine } = readOptions({
  update: flag,
  all: flag,
  only: text,
  threads: integer(1),
  engine: { ...text, default: 'release' },
})
// Small networks too: whether numbers depend on the threads would not show otherwise.
process.env.SPIKEWASM_ALL_THREADS = '1'
const built = new URL('../build/test/golden/', import.meta.url)
if (!existsSync(built)) fail('build/test/golden does not exist; run "npm run build" first')
const { cases } = await import(new URL('cases.js', built))
const { differences, goldenFile, parts, readGolden, renewing, runCase } = await import(
  new URL('run.js', built)
)

const chosen = cases.filter(
  ({ name, slow }) => (all || !slow) && (only === undefined || name.includes(only)),
)
if (chosen.length === 0)
  fail(`no case matches${only === undefined ? '' : ` ${JSON.stringify(only)}`}; --all has more`)

const golden = existsSync(goldenFile) ? readGolden() : {}
const problems = []
const began = performance.now()
for (const c of chosen) {
  const start = performance.now()
  const { hashes, silent } = await runCase(c, { threads, engine }).catch((error) =>
    fail(`${c.name}: ${error.name === 'SpikewasmError' ? error.message : error.stack}`),
  )
  const ms = Math.round(performance.now() - start)
  console.log(`${c.name}  ${parts.map((part) => hashes[part]).join(' ')}  ${ms} ms`)
  if (silent.length > 0) problems.push(`${c.name}: no spikes in ${silent.join(', ')}`)
  if (update) golden[c.name] = hashes
  else
    for (const difference of differences(golden[c.name], hashes))
      problems.push(`${c.name}: ${difference}`)
}
const seconds = ((performance.now() - began) / 1000).toFixed(1)

if (update) {
  if (problems.length > 0) fail(`nothing is written:\n  ${problems.join('\n  ')}`)
  // In the table's order; cases that are no longer in it go.
  const kept = cases.filter(({ name }) => name in golden).map(({ name }) => [name, golden[name]])
  writeFileSync(goldenFile, `${JSON.stringify(Object.fromEntries(kept), undefined, 2)}\n`)
  console.log(`${chosen.length} cases taken over, ${kept.length} in golden.json, ${seconds} s`)
  if (chosen.length < kept.length) console.log('the others stay as they were; --all takes all over')
} else if (problems.length > 0)
  fail(`\nThese numbers are not those of golden.json (${renewing}):\n  ${problems.join('\n  ')}`)
else console.log(`${chosen.length} cases as in golden.json, ${seconds} s`)
