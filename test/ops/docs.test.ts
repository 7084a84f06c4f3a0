/**
 * The pages of docs/ops are what the rows of ops say: text, options, arguments, results, settings.
 * Behind these a section has its programs, and what stands below headings of its own.
 * `npm test -- ops/docs --update` writes them.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Optimizer, optimizerKind, optimizerNames } from '../../src/compile/optimizer-kind.js'
import '../../src/nn/optimizers.js'
import { examples } from '../support/op-examples.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const { options } = ts.parseJsonConfigFileContent(
  ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile).config,
  ts.sys,
  root,
)
const program = ts.createProgram([`${root}src/ops/index.ts`], options)
const checker = program.getTypeChecker()

/** The files whose ops a page has. */
const pages = {
  convolution: 'weighted weighted-gradients integers',
  neurons: 'lif neurons activity',
  'normalisation-and-more': 'batch-norm normalisation pooling sums values losses optimizer',
}

const argumentsOf = (type: ts.Type | undefined): readonly ts.Type[] =>
  type ? checker.getTypeArguments(type as ts.TypeReference) : []
const commentOf = (symbol: ts.Symbol): string =>
  ts.displayPartsToString(symbol.getDocumentationComment(checker))
const cell = (text: string): string => text.replace(/\s+/g, ' ').replaceAll('|', '\\|')

/** Rows of a table, or none. */
function table(title: string, rows: readonly (readonly string[])[]): string {
  const [first = []] = rows
  const lines = [first.map((_, i) => (i ? '' : title)), first.map(() => '---'), ...rows]
  const all = lines.map((cells) => `| ${cells.join(' | ')} |`.replaceAll(/ {2,}/g, ' '))
  return rows.length === 0 ? '' : `${all.join('\n')}\n\n`
}

const named = (symbols: readonly ts.Symbol[]): string[][] =>
  symbols.map((symbol) => [`\`${symbol.name}\``, cell(commentOf(symbol))])

/** Tensors that have one of some roles. */
function tensors(all: readonly ts.Symbol[], roles: readonly string[]): string[][] {
  return all.flatMap((symbol) => {
    const type = checker.getTypeOfSymbol(symbol)
    const [array, role] = argumentsOf(
      (type.isUnion() ? type.types : [type]).find((of) => of.getProperty('role')),
    )
    const { value } = role as ts.StringLiteralType
    if (!roles.includes(value) || /^Hidden/.test(commentOf(symbol))) return []
    const [name, text] = named([symbol])[0]
    const note = value === 'updates' || value === 'changes' ? ' Updated.' : ''
    return [[name, text + note, cell(checker.typeToString(array).replace(/<\w+>/g, ''))]]
  })
}

/** Names in the order in which an object gets them: TypeScript lists what is spread last. */
function namesOf(type: ts.Type): readonly string[] {
  if (type.isUnion()) return type.types.flatMap(namesOf)
  const literal = type.symbol?.valueDeclaration
  if (!literal || !ts.isObjectLiteralExpression(literal))
    return checker.getPropertiesOfType(type).map(({ name }) => name)
  return literal.properties.flatMap((one) =>
    ts.isSpreadAssignment(one)
      ? namesOf(checker.getTypeAtLocation(one.expression))
      : (one.name?.getText() ?? []),
  )
}

/** Members of a type in the order of the row. */
function membersOf(type: ts.Type): readonly ts.Symbol[] {
  const names = namesOf(type)
  const placeOf = ({ name }: ts.Symbol): number => names.indexOf(name)
  return checker.getPropertiesOfType(type).sort((a, b) => placeOf(a) - placeOf(b))
}

/** What an op's row says, and what its section has had behind that. */
function section(op: ts.Symbol, before: string): string {
  const [given, made, settings] = argumentsOf(checker.getTypeOfSymbol(op))
  const all = membersOf(made)
  const [top = '', ...below] = before.split(/(?=^### )/m)
  const programs = top.match(/^<!-- runs -->\n```[\s\S]*?^```$/gm) ?? []
  const own = [...programs, below.join('').trim()].filter((one) => one !== '').join('\n\n')
  return `## ${op.name}\n\n${commentOf(op)}\n\n${[
    table('option', named(membersOf(given))),
    table('argument', tensors(all, ['takes', 'updates', 'changes'])),
    table('result', tensors(all, ['gives', 'makes', 'asked', 'changes'])),
    table('own memory of the plan', tensors(all, ['shows'])),
    table('setting of `run`', named(membersOf(settings))),
  ].join('')}${own === '' ? '' : `${own}\n\n`}`
}

const index = program.getSourceFile(`${root}src/ops/index.ts`) as ts.Node
const module = checker.getSymbolAtLocation(index) as ts.Symbol
const ops = checker.getExportsOfModule(module).flatMap((symbol) => {
  const of = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
  return argumentsOf(checker.getTypeOfSymbol(of)).length === 5 ? of : []
})

for (const [page, files] of Object.entries(pages))
  test(`docs/ops/${page}.md`, () => {
    const path = `${root}docs/ops/${page}.md`
    const before = readFileSync(path, 'utf8')
    const [head, ...sections] = before.split(/^(?=## )/m)
    const found = files
      .split(' ')
      .flatMap((file) =>
        ops.filter(({ valueDeclaration: at }) =>
          at?.getSourceFile().fileName.endsWith(`/${file}.ts`),
        ),
      )
    const index = found.map((op) => [
      `[\`${op.name}\`](#${op.name.toLowerCase()})`,
      cell(commentOf(op).split(/(?<=\w\.)(?<!\b(?:eq|al)\.)\s|:\n/)[0]),
    ])
    const all = found.map((op) =>
      section(op, sections.find((text) => text.startsWith(`## ${op.name}\n`)) ?? ''),
    )
    const text = `${head.split(/^\| /m)[0]}${table('op', index)}${all.join('').trimEnd()}\n`
    if (process.env.UPDATE_SNAPSHOTS) writeFileSync(path, text)
    else assert.is(before, text)
    assert.ok(found.length > 5)
  })

test('arguments stand in the order in which a run takes them', () => {
  const texts = Object.keys(pages).map((page) => readFileSync(`${root}docs/ops/${page}.md`, 'utf8'))
  const sections = texts.join('').split(/^(?=## )/m)
  for (const { name, op, plan } of examples) {
    const section = sections.find((text) => text.startsWith(`## ${op.opName}\n`)) ?? ''
    const [, rows = ''] = section.match(/^\| argument \|(.*?)\n\n/ms) ?? []
    const told = [...rows.matchAll(/^\| `(\w+)`/gm)].map(([, one]) => one)
    const made = Object.keys(plan().tensors)
    const both = told.filter((one) => made.includes(one))
    assert.equal(
      both,
      made.filter((one) => told.includes(one)),
      name,
    )
  }
})

/** An optimizer's own default, or of some optimizers those that differ. */
function usualOf(key: string, kinds: readonly Optimizer['kind'][]): string {
  const presets = kinds.map((kind) => Object.entries(optimizerKind(kind).make({})))
  const each = presets.map((made) => JSON.stringify(made.find(([name]) => name === key)?.[1]))
  const texts = [...new Set(each)].map(
    (text) =>
      `${kinds
        .filter((_, i) => each[i] === text)
        .map((kind) => `\`${kind}\``)
        .join(', ')} ${text}`,
  )
  return texts.length > 1 ? texts.join('; ') : each[0]
}

test('optimizers in docs/training.md', () => {
  const file = program.getSourceFile(`${root}src/nn/optimizers.ts`) as ts.Node
  const made = checker.getExportsOfModule(checker.getSymbolAtLocation(file) as ts.Symbol)
  const rules: string[][] = []
  const options = new Map<string, { text: string; kinds: Optimizer['kind'][] }>()
  for (const kind of optimizerNames) {
    const of = made.find(({ name }) => name === kind) as ts.Symbol
    const rule = commentOf(of)
      .replace(/:\n+- /, ': ')
      .replaceAll('\n- ', '; ')
    rules.push([`\`${kind}\``, cell(rule)])
    const [given] = checker.getTypeOfSymbol(of).getCallSignatures()[0].parameters
    for (const member of checker
      .getNonNullableType(checker.getTypeOfSymbol(given))
      .getProperties()) {
      const text = cell(commentOf(member)).replace(/[;.] [^;.]*default.*$/i, '')
      const known = options.get(`${member.name} ${text}`)
      if (known) known.kinds.push(kind)
      else options.set(`${member.name} ${text}`, { text, kinds: [kind] })
    }
  }
  const rows = [...options].map(([key, { text, kinds }]) => {
    const [name] = key.split(' ')
    const of = kinds.length === optimizerNames.length ? 'all' : kinds.map((kind) => `\`${kind}\``)
    return [`\`${name}\``, `${of}`.replaceAll(',', ', '), text, usualOf(name, kinds)]
  })
  rows.sort(([, a], [, b]) => Number(b === 'all') - Number(a === 'all'))
  const path = `${root}docs/training.md`
  const before = readFileSync(path, 'utf8')
  const [head, section, tail] = before.split(/^(?=### (?:Optimizers|Schedules)$)/m)
  const titled = [['option', 'of', 'meaning', 'default'], ['---', '---', '---', '---'], ...rows]
  const lines = titled.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
  const text = `${section.split(/^\| /m)[0]}${table('optimizer', rules)}${lines}\n\n`
  if (process.env.UPDATE_SNAPSHOTS) writeFileSync(path, head + text + tail)
  else assert.is(section, text)
})

test.run()
