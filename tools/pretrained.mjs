// Puts weights of a run in the place of a network that `pretrained` knows: its file, the hash in
// src/model/models/table.ts, and the figures of its card in docs/models.md.
//
//   node tools/pretrained.mjs NAME FOLDER   FOLDER/weights.safetensors, and what was measured of it:
//                                           FOLDER/result.json
//
// Training programs of examples/ write both; `spikewasm eval --json` prints what result.json needs.
// A network that comes with the package goes into data/models. Another becomes
// FOLDER/NAME.safetensors, which is to be attached to the release. Names of classes and how bytes
// become numbers are put into a file that lacks them. A new name is a line in the table, and a card.
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readOptions, refuse } from './options.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))

/** What files of programs do not say of their data. */
const data = {
  'cifar10-cnn': {
    classNames: 'airplane automobile bird cat deer dog frog horse ship truck'.split(' '),
    normalization: { scale: 255, mean: [0.4914, 0.4822, 0.4465], std: [0.2023, 0.1994, 0.201] },
  },
}

const KEY = 'spikewasm.model'

/** A safetensors file: the JSON before its numbers, that of its model, and the numbers. */
function parsed(bytes) {
  const length = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.subarray(8, 8 + length))
  return { header, model: JSON.parse(header.__metadata__[KEY]), body: bytes.subarray(8 + length) }
}

/** The file as it is published: with what `data` knows, where it says nothing itself. */
function completed(name, bytes) {
  const { header, model, body } = parsed(bytes)
  if (model.data?.classNames || !data[name]) return bytes
  header.__metadata__[KEY] = JSON.stringify({ ...model, data: { ...data[name], ...model.data } })
  const text = JSON.stringify(header)
  const json = Buffer.from(text.padEnd(Math.ceil(Buffer.byteLength(text) / 8) * 8))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, body])
}

/** Kinds of neurons of a network, each once: `lif, τ 1.25, θ 1`. */
function neuronsOf({ network }) {
  const kinds = network.nodes
    .filter(({ kind }) => kind === 'cell')
    .map(({ layer: { type, tau, vThreshold, recurrence } }) => {
      const named = recurrence ? `recurrent ${type}` : type
      return `${named}, τ ${tau}${vThreshold === null ? '' : `, θ ${vThreshold}`}`
    })
  return [...new Set(kinds)].join('; ')
}

function sizeOf({ header, model: { weights = 'f32' } }, bytes) {
  const parameters = Object.entries(header)
    .filter(([key]) => !/^__|running_(mean|var)$|num_batches_tracked$/.test(key))
    .reduce((sum, [, { shape }]) => sum + shape.reduce((a, b) => a * b, 1), 0)
  const size = bytes < 1e6 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
  const trained = weights === 'f32' ? '' : `, trained as ${weights}`
  return `${parameters.toLocaleString('en')} parameters${trained}; ${size}`
}

const hashOf = (bytes) => createHash('sha256').update(bytes).digest('hex')

/** Rows of a card that the file says. */
export function rowsOf(bytes) {
  const file = parsed(bytes)
  const { timeSteps, data } = file.model
  if (!data?.classNames) throw new Error('the file must name its classes; give fit labels')
  return {
    neurons: neuronsOf(file.model),
    size: sizeOf(file, bytes.length),
    'time steps': String(timeSteps),
    labels: data.classNames.join(', '),
    'SHA-256': `\`${hashOf(bytes)}\``,
  }
}

const percent = (share, digits = 2) => `${(100 * share).toFixed(digits)} %`

/** Rows of a card that a run says. */
export function measuredRows(result) {
  const { accuracy = result.testAccuracy, mirroredAccuracy, mean, full, firingRates } = result
  const { microjoules = result.operations?.energy?.microjoules } = result
  const small = microjoules < 1
  const mirrored = mirroredAccuracy
    ? `; ${percent(mirroredAccuracy)} by the sum of outputs for a picture and its mirror image`
    : ''
  return {
    accuracy:
      mean === undefined
        ? `${percent(accuracy)}${mirrored}`
        : `${mean.toFixed(1)} of 500 steps in the mean; ${full} episodes reach the end`,
    spikes: Object.values(firingRates)
      .map((share) => percent(share, 1))
      .join(', '),
    energy: `${(small ? 1000 * microjoules : microjoules).toPrecision(3)} ${small ? 'nJ' : 'µJ'}`,
  }
}

/** The page with these rows in the card of a name. */
export function withRows(page, name, rows) {
  const cards = page.split(/^(?=## )/m)
  const own = cards.findIndex((card) => card.startsWith(`## ${name}\n`))
  if (own < 0) throw new Error(`docs/models.md must have a card for ${name}`)
  for (const [key, value] of Object.entries(rows)) {
    const row = new RegExp(`^\\| ${key} \\| .* \\|$`, 'm')
    if (!row.test(cards[own])) throw new Error(`the card of ${name} must have a row ${key}`)
    cards[own] = cards[own].replace(row, () => `| ${key} | ${value} |`)
  }
  return cards.join('')
}

function rewrite(path, change) {
  const file = join(root, path)
  writeFileSync(file, change(readFileSync(file, 'utf8')))
  console.log(path)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [name, folder, ...more] = readOptions({}, true).positionals
  if (folder === undefined || more.length > 0) refuse('give NAME and FOLDER')
  const { isPacked } = await import('../build/src/model/models/table.js')
  const bytes = completed(name, readFileSync(join(folder, 'weights.safetensors')))
  const result = JSON.parse(readFileSync(join(folder, 'result.json'), 'utf8'))
  const rows = { ...rowsOf(bytes), ...measuredRows(result) }
  rewrite('docs/models.md', (page) => withRows(page, name, rows))
  rewrite('src/model/models/table.ts', (table) => {
    const line = new RegExp(`^( {2}'?${name}'?: ')[0-9a-f]{64}(?=',$)`, 'm')
    if (!line.test(table)) throw new Error(`the table must have a line for ${name}`)
    return table.replace(line, `$1${hashOf(bytes)}`)
  })
  const place = isPacked(name) ? join(root, 'data/models') : folder
  writeFileSync(join(place, `${name}.safetensors`), bytes)
  console.log(join(place, `${name}.safetensors`))
}
