// Random networks of all layers, methods, losses and optimizers, trained by spikewasm and compared
// with the equations in PyTorch and float64 (tools/fidelity.py).
//
//   npm run fidelity -- [--seed 1] [--count 100] [--only K] [--keep FOLDER]
//
// --only runs network K of the seed alone, --keep writes the networks' files into a new folder that
// stays. The Python is PYTHON, else python3; it needs torch. Ends with exit code 1 when a
// network differs, 2 when nothing could be compared.
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { drawNetworks, tables } from '../build/test/support/draw/networks.js'
import { writeNetwork } from '../build/test/support/fidelity.js'
import { integer, readOptions, refuse, text } from './options.mjs'

const python = process.env.PYTHON || 'python3'
const script = fileURLToPath(new URL('fidelity.py', import.meta.url))

/** Says what to install, where something is missing. */
function expectPython() {
  const { status, error, stderr } = spawnSync(python, ['-c', 'import torch'])
  if (status === 0) return
  const why =
    error?.code === 'ENOENT' ? 'it was not found' : String(stderr).trim().split('\n').at(-1)
  refuse(
    `${python} must have torch: ${why}; run "${python} -m pip install torch", or ` +
      'let the variable PYTHON name a Python that has it',
  )
}

/** What Python says of each network of a folder, as it comes. */
async function* compared(folder) {
  const child = spawn(python, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => child.on('close', resolve))
  for await (const line of createInterface({ input: child.stdout })) yield JSON.parse(line)
  const code = await ended
  if (code !== 0) refuse(`tools/fidelity.py ended with exit code ${code}`)
}

/** Flips of one layer by one kind of kink as one line each: how many, and the largest distance. */
function inWords(flips) {
  const found = new Map()
  for (const [step, layer, what, count, margin] of flips) {
    const key = `${layer} ${what.replace(/ at time.*/, '')}`
    const before = found.get(key) ?? { step, layer, what, count: 0, margin }
    const most = Math.max(before.margin, margin)
    found.set(key, { ...before, count: before.count + count, margin: most })
  }
  return [...found.values()].map(
    ({ step, layer, what, count, margin }) =>
      `${count} of layer ${layer} from ${step} on, up to ${margin.toExponential(1)} from ${what}`,
  )
}

const meanOf = (list) => list.reduce((sum, x) => sum + x, 0) / list.length

/** The lines of a network that is not the same to the bound. */
function tell({ network, verdict, wrong, flips, faults }, again) {
  const head = `network ${network}: `
  for (const flip of inWords(flips)) console.log(`${head}flip, ${flip}`)
  for (const [what, [error, where]] of Object.entries(wrong))
    console.log(`${head}${what} differs by ${error.toExponential(1)} (${where})`)
  for (const fault of inWords(faults)) console.log(`${head}spikes differ, ${fault}`)
  if (verdict === 'wrong') console.log(`${head}run it again: ${again}`)
}

const { seed, count, only, keep } = readOptions({
  seed: integer(1, 0),
  count: integer(100),
  only: integer(undefined, 0),
  keep: text,
})
if (only >= count) refuse(`--only must be below --count (${count}), got ${only}`)
expectPython()
// Layers that stay silent are drawn too.
process.removeAllListeners('warning')
if (keep !== undefined) mkdirSync(keep, { recursive: true })
const folder = keep ?? mkdtempSync(join(tmpdir(), 'spikewasm-fidelity-'))
const again = (index) => `npm run fidelity -- --seed ${seed} --count ${count} --only ${index}`
const networks = drawNetworks(seed, count).filter(({ index }) => (only ?? index) === index)
const counts = { same: 0, flip: 0, wrong: 0 }
const worst = new Map()
const density = []
let flips = 0
try {
  for (const network of networks)
    await writeNetwork(network, folder).then(
      (rates) => density.push(...rates),
      (error) => {
        counts.wrong++
        console.log(
          `network ${network.index}: ${error.message}\nrun it again: ${again(network.index)}`,
        )
      },
    )
  for await (const found of compared(folder)) {
    counts[found.verdict]++
    tell(found, again(found.network))
    flips += found.flips.reduce((sum, [, , , of]) => sum + of, 0)
    for (const [what, [error]] of Object.entries(found.errors))
      if (!(error <= (worst.get(what)?.error ?? -1))) worst.set(what, { error, of: found.network })
  }
} finally {
  if (keep === undefined) rmSync(folder, { recursive: true })
}
for (const [what, { error, of }] of worst)
  console.log(`${what.padEnd(24)} ${error.toExponential(1).padStart(8)}  network ${of}`)
for (const [table, names] of only === undefined ? Object.entries(tables) : []) {
  const times = (name) => networks.filter(({ reached }) => reached.has(name)).length
  const missing = names.filter((name) => times(name) === 0)
  // There are too many options to tell each.
  const drawn = names.filter((name) => !missing.includes(name)).map((n) => `${n} ${times(n)}`)
  console.log(
    `${table}: ${table === 'options' ? `${drawn.length} of ${names.length}` : drawn.join(', ')}`,
  )
  if (missing.length > 0) console.log(`  not drawn: ${missing.join(', ')}`)
}
const share = (100 * meanOf(density)).toFixed(1)
console.log(
  `seed ${seed}: ${networks.length} networks, ${counts.same} the same, ${counts.flip} with a flip ` +
    `(${flips} spikes), ${counts.wrong} wrong; ${share} % of neurons fire`,
)
process.exitCode = counts.wrong > 0 ? 1 : 0
