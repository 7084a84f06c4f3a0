// Writes what the engine knows of records, from the schemas of src/kernels/records and the signatures of
// the kernels: assembly/generated/records.ts, the classes by which kernels read their records, and
// assembly/generated/kernels.ts, the kernels and the way from an operation's number to its kernel.
//
// A kernel is `export function maxPool(rec: PoolRecord, unit: i32, t: i32, scratch: usize): void`; it
// has the name of its operation. Operations whose kernels take the same class share it: it has the
// fields of all of them.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { buildSync } from 'esbuild'
import { filesOf } from './sources.mjs'

const CLASSES = 'assembly/generated/records.ts'
const KERNELS = 'assembly/generated/kernels.ts'
const WORD = 4
const TYPES = { number: 'i32', flag: 'i32', float: 'f32' }
const KERNEL =
  /^export function (\w+)\(\s*\w+: (\w+),\s*\w+: i32,\s*\w+: i32,\s*\w+: usize,?\s*\): void/gm

/** What src/kernels/records says. */
async function schemas() {
  const { outputFiles } = buildSync({
    entryPoints: ['src/kernels/records/index.ts'],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    logLevel: 'error',
    treeShaking: true,
  })
  const { text } = outputFiles[0]
  return import(`data:text/javascript;base64,${Buffer.from(text).toString('base64')}`)
}

/** Where each kernel stands, and the class of its record. */
function kernels() {
  const found = new Map()
  for (const file of filesOf('assembly'))
    for (const [, name, type] of readFileSync(file, 'utf8').matchAll(KERNEL))
      found.set(name, { file, type })
  return found
}

/** The fields of several schemas, each once; those of one name must be the same word and type. */
function union(title, schemas) {
  const fields = new Map()
  for (const [name, { word, use }] of schemas.flatMap((schema) => Object.entries(schema))) {
    const type = TYPES[use] ?? 'usize'
    const other = fields.get(name)
    if (other && (other.word !== word || other.type !== type))
      throw new Error(
        `${title}: ${name} is word ${other.word} (${other.type}) of one operation and word ` +
          `${word} (${type}) of another; give one of them a name, or its kernel a class, of its own`,
      )
    fields.set(name, { name, word, type })
  }
  return [...fields.values()].sort((a, b) => a.word - b.word)
}

/** A class whose fields lie where the schema says; a word of two names is a field and an accessor. */
function classOf(name, fields, words) {
  const lines = []
  const accessors = []
  let at = 0
  for (const { name: field, word, type } of fields) {
    const before = fields.find((other) => other.word === word)
    if (before.name !== field) {
      accessors.push(
        `  @inline get ${field}(): ${type} { return load<${type}>(changetype<usize>(this), ${word * WORD}) }`,
        `  @inline set ${field}(value: ${type}) { store<${type}>(changetype<usize>(this), value, ${word * WORD}) }`,
      )
      continue
    }
    for (; at < word; at++) lines.push(`  private w${at}: u32`)
    lines.push(`  ${field}: ${type}`)
    at++
  }
  for (; at < words; at++) lines.push(`  private w${at}: u32`)
  return ['@unmanaged', `export class ${name} {`, ...lines, ...accessors, '}'].join('\n')
}

/**
 * Both files' texts. Throws where a kernel is missing, or fields of one class contradict.
 *
 * @param known file and class of each kernel
 */
export function engineSources({ kinds, entries, kernelOf }, known) {
  const classes = new Map()
  const used = new Map()
  for (const kind of kinds) {
    const same = kinds.find(({ op }) => op === kind.op)
    if (same !== kind)
      throw new Error(
        `operations ${same.name} and ${kind.name} have the number ${kind.op}; give one of them ` +
          'another, such as ' +
          (Math.max(...kinds.map(({ op }) => op)) + 1),
      )
    const name = kernelOf(kind)
    const kernel = known.get(name)
    if (!kernel)
      throw new Error(
        `operation ${kind.name}: no file of assembly/ has "export function ${name}(rec: ` +
          `${kind.name}Record, unit: i32, t: i32, scratch: usize): void"`,
      )
    used.set(name, kernel)
    classes.set(kernel.type, [...(classes.get(kernel.type) ?? []), kind.schema])
  }
  return { [CLASSES]: classFile(classes, entries), [KERNELS]: kernelFile(kinds, kernelOf, used) }
}

const GENERATED = '// Written by tools/records.mjs from src/kernels/records: change those.\n'

function classFile(classes, entries) {
  const texts = [
    ...[...classes].map(([name, schemas]) => classOf(name, union(name, schemas), 0)),
    ...[...entries].map(([name, { bytes, schema }]) =>
      classOf(name, union(name, [schema]), bytes / WORD),
    ),
  ]
  return [GENERATED, ...texts, ''].join('\n')
}

function kernelFile(kinds, kernelOf, used) {
  const path = (file) => `..${file.slice('assembly'.length, -'.ts'.length)}`
  const names = [...used.keys()]
  return [
    GENERATED,
    ...names.map((name) => `import { ${name} } from '${path(used.get(name).file)}'`),
    "import { Rec } from '../opcodes'",
    `import { ${[...new Set(names.map((name) => used.get(name).type))].join(', ')} } from './records'`,
    '',
    `export { ${names.join(', ')} }`,
    '',
    "/** Runs one unit of a record at step t. `scratch` is the worker's own. */",
    'export function execute(rec: usize, unit: i32, t: i32, scratch: usize): void {',
    '  switch (load<i32>(rec, Rec.Op << 2) & Rec.OpMask) {',
    '    case 0:',
    '      break',
    ...kinds.flatMap((kind) => {
      const name = kernelOf(kind)
      const { type } = used.get(name)
      return [
        `    case ${kind.op}:`,
        `      ${name}(changetype<${type}>(rec), unit, t, scratch)`,
        '      break',
      ]
    }),
    '    default:',
    '      unreachable()',
    '  }',
    '}',
    '',
  ].join('\n')
}

/** Writes the files whose text has changed. */
export async function writeEngineSources() {
  mkdirSync(dirname(CLASSES), { recursive: true })
  for (const [file, text] of Object.entries(engineSources(await schemas(), kernels()))) {
    let before
    try {
      before = readFileSync(file, 'utf8')
    } catch {}
    if (text !== before) writeFileSync(file, text)
  }
}
