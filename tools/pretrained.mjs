// Puts weights of a run in the place of a network that `pretrained` knows, and writes the cards.
//
//   node tools/pretrained.mjs               the cards of docs/models.md, from src/model/models
//   node tools/pretrained.mjs NAME FOLDER   the same behind new weights: FOLDER/weights.safetensors;
//                                           several pairs of a name and a folder may be given
//
// FOLDER/result.json says what was measured of them: accuracy, microjoules, firingRates and so on,
// as training programs of examples/ write it and as `spikewasm eval --json` prints it. A file that
// is small enough goes into data/models. A larger one becomes FOLDER/NAME.safetensors, which is to be
// attached to the release. Names of classes and how bytes become numbers are put into a file that
// lacks them.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readOptions, refuse } from './options.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const at = (...path) => join(root, ...path)
const [tableFile, page] = [at('src/model/models/table.ts'), at('docs/models.md')]

/** A file of more bytes does not come with the package. */
const MOST_BYTES = 200_000

/** What files of programs do not say of their data. */
const data = {
  'cifar10-cnn': {
    classNames: 'airplane automobile bird cat deer dog frog horse ship truck'.split(' '),
    normalization: { scale: 255, mean: [0.4914, 0.4822, 0.4465], std: [0.2023, 0.1994, 0.201] },
  },
}

/** Replaces what stands between two marks. */
function replaced(text, [begin, end], by) {
  const [from, to] = [text.indexOf(begin) + begin.length, text.indexOf(end)]
  if (to < from) throw new Error(`${begin} and ${end} must stand in the file, in this order`)
  return `${text.slice(0, from)}\n${by}\n${text.slice(to)}`
}

const tableMarks = ['// <figures>', '// </figures>']
const cardMarks = ['<!-- cards: node tools/pretrained.mjs -->', '<!-- /cards -->']

/** The figures that the table has: plain data. */
function figuresOf(text) {
  const [, literal] =
    /export const figures = (\{.*?\n?\})(?: satisfies .*?)?\n\/\/ <\/figures>/s.exec(text)
  return Function(`return ${literal}`)()
}

/** A safetensors file: the JSON before its numbers, and the numbers. */
function parsed(bytes) {
  const length = Number(bytes.readBigUInt64LE(0))
  return { header: JSON.parse(bytes.subarray(8, 8 + length)), body: bytes.subarray(8 + length) }
}

function serialized({ header, body }) {
  const text = JSON.stringify(header)
  const json = Buffer.from(text.padEnd(Math.ceil(Buffer.byteLength(text) / 8) * 8))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, body])
}

const KEY = 'spikewasm.model'

/** The file as it is published: with what `data` knows, where it says nothing itself. */
function completed(name, bytes) {
  const file = parsed(bytes)
  const model = JSON.parse(file.header.__metadata__[KEY])
  if (model.data?.classNames || !data[name]) return { bytes, model, header: file.header }
  model.data = { ...data[name], ...model.data }
  file.header.__metadata__[KEY] = JSON.stringify(model)
  return { bytes: serialized(file), model, header: file.header }
}

/** Kinds of neurons of a network, each once: `lif τ 1.25 θ 1`. */
function neuronsOf({ network }) {
  const kinds = network.nodes
    .filter(({ kind }) => kind === 'cell')
    .map(({ layer: { type, tau, vThreshold, recurrence } }) => {
      const named = recurrence ? `recurrent ${type}` : type
      return `${named}, τ ${tau}${vThreshold === null ? '' : `, θ ${vThreshold}`}`
    })
  return [...new Set(kinds)].join('; ')
}

const isStatistic = (key) => /running_(mean|var)$|num_batches_tracked$/.test(key)

/** What a run says of itself. */
function measured(folder) {
  const path = join(folder, 'result.json')
  if (!existsSync(path)) throw new Error(`${path} must say what was measured; there is none`)
  const result = JSON.parse(readFileSync(path, 'utf8'))
  const { accuracy = result.testAccuracy, mirroredAccuracy, mean, full, firingRates } = result
  const { microjoules = result.operations?.energy?.microjoules } = result
  const figures = { microjoules, firingRates, accuracy, mirroredAccuracy, mean, full }
  return JSON.parse(JSON.stringify(figures, (_, x) => (Number.isFinite(x) ? short(x) : x)))
}

/** With four digits: no figure is known better. */
const short = (number) => Number(number.toPrecision(4))

/** Writes the file of a name. @returns its figures */
function take(name, folder) {
  const { bytes, model, header } = completed(
    name,
    readFileSync(join(folder, 'weights.safetensors')),
  )
  const isPacked = bytes.length <= MOST_BYTES
  const packed = at('data/models', `${name}.safetensors`)
  rmSync(packed, { force: true })
  const path = isPacked ? packed : join(folder, `${name}.safetensors`)
  writeFileSync(path, bytes)
  const sizes = Object.entries(header)
    .filter(([key]) => key !== '__metadata__' && !isStatistic(key))
    .map(([, { shape }]) => shape.reduce((a, b) => a * b, 1))
  const { input, timeSteps, weights = 'f32', data: { classNames: labels } = {} } = model
  if (!labels)
    throw new Error(`${name}: the file must name its classes; give fit or compile labels`)
  console.log(`${path}: ${bytes.length} bytes`)
  return {
    ...{ sha256: createHash('sha256').update(bytes).digest('hex'), bytes: bytes.length, isPacked },
    ...{ parameters: sizes.reduce((a, b) => a + b, 0), input, timeSteps, weights },
    ...{ neurons: neuronsOf(model), labels, ...measured(folder) },
  }
}

function writeTable(figures) {
  const sorted = Object.fromEntries(Object.entries(figures).sort(([a], [b]) => (a < b ? -1 : 1)))
  const text = `export const figures = ${JSON.stringify(sorted)} satisfies Readonly<Record<string, Figures>>`
  writeFileSync(tableFile, replaced(readFileSync(tableFile, 'utf8'), tableMarks, text))
  const biome = at('node_modules/@biomejs/biome/bin/biome')
  execFileSync(process.execPath, [biome, 'format', '--write', tableFile], { stdio: 'pipe' })
}

const percent = (share, digits = 2) => `${(100 * share).toFixed(digits)} %`

function accuracyOf({ accuracy, mirroredAccuracy, mean, full }, { tested }) {
  if (mean !== undefined)
    return `${mean.toFixed(1)} of 500 steps in the mean of ${tested}; ${full} reached the end`
  const both = mirroredAccuracy && `; ${percent(mirroredAccuracy)} with their mirror images too`
  return `${percent(accuracy)} of ${tested}${both ?? ''}`
}

function sizeOf({ bytes, isPacked, parameters, weights }) {
  const size = bytes < 1e6 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
  const trained = weights === 'f32' ? '' : `, trained as ${weights}`
  const place = isPacked ? 'in the package' : 'not in the package: give it as `from`'
  return `${parameters.toLocaleString('en')} parameters${trained}; ${size}, ${place}`
}

const energyOf = ({ microjoules }) => {
  if (microjoules === undefined) return 'not measured'
  const [value, unit] = microjoules < 1 ? [1000 * microjoules, 'nJ'] : [microjoules, 'µJ']
  return `${value.toPrecision(3)} ${unit} a prediction`
}

function cardOf(name, own, card) {
  const rates = Object.values(own.firingRates).map((share) => percent(share, 1))
  const rows = {
    network: card.network,
    neurons: own.neurons,
    size: sizeOf(own),
    input: `${card.input}; ${own.timeSteps} time steps`,
    labels: own.labels.join(', '),
    data: card.data,
    recipe: card.recipe,
    accuracy: accuracyOf(own, card),
    spikes: `in ${rates.join(', ')} of the neurons and steps of each layer`,
    energy: energyOf(own),
    'SHA-256': `\`${own.sha256}\``,
    licence: card.licence,
  }
  const table = Object.entries(rows).map(([key, value]) => `| ${key} | ${value} |`)
  const programs = `\`\`\`sh\n${card.make}\n${card.judge}\n\`\`\``
  const limits = wrapped(`**Limits.** ${card.limits}`)
  return [
    `## ${name}`,
    wrapped(card.about),
    `| | |\n| --- | --- |\n${table.join('\n')}`,
    programs,
    limits,
  ].join('\n\n')
}

/** Lines of at most 100 characters. */
const wrapped = (text) => text.replace(/(?![^\n]{1,100}$)([^\n]{1,100})\s/g, '$1\n')

/** The cards, as docs/models.md has them. */
export const cardsOf = ({ figures, cards }) =>
  Object.keys(figures)
    .map((name) => cardOf(name, figures[name], cards[name]))
    .join('\n\n')

export const marks = cardMarks

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { positionals } = readOptions({}, true)
  if (positionals.length > 0) {
    if (positionals.length % 2 > 0) refuse('behind each NAME the FOLDER of its run must be given')
    const figures = figuresOf(readFileSync(tableFile, 'utf8'))
    for (let i = 0; i < positionals.length; i += 2)
      figures[positionals[i]] = take(positionals[i], positionals[i + 1])
    writeTable(figures)
    execFileSync(process.execPath, [at('tools/build.mjs'), 'typescript'], { stdio: 'inherit' })
  }
  const built = (name) => import(new URL(`../build/src/model/models/${name}.js`, import.meta.url))
  const table = { ...(await built('table')), ...(await built('cards')) }
  const text = readFileSync(page, 'utf8')
  writeFileSync(page, replaced(text, cardMarks, `\n${cardsOf(table)}\n`))
  console.log('docs/models.md')
}
