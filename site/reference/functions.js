// Pages of functions and ops, by where they are declared; none that is exported may be left out.

import ts from 'typescript'
import * as declared from './declarations.js'
import pages from './pages.json' with { type: 'json' }

/** Its functions are found by their names. */
const api = await import('../../build/dist/index.js')

const { cell, checker, code, commentOf, fileOf, table, typeOf } = declared
const partsOf = (type) => (type ? checker.getTypeArguments(type) : [])
const isOp = (symbol) =>
  fileOf(symbol).startsWith('src/ops/') && partsOf(typeOf(symbol)).length === 5

/** Names in the order in which an object gets them: TypeScript lists what is spread last. */
function namesOf(type) {
  if (type.isUnion()) return type.types.flatMap(namesOf)
  const literal = type.symbol?.valueDeclaration
  if (!literal || !ts.isObjectLiteralExpression(literal))
    return type.getProperties().map(({ name }) => name)
  return literal.properties.flatMap((one) =>
    ts.isSpreadAssignment(one)
      ? namesOf(checker.getTypeAtLocation(one.expression))
      : (one.name?.getText() ?? []),
  )
}

/** Members of a type in the order of the row. */
function membersOf(type) {
  const names = namesOf(type)
  const placeOf = ({ name }) => names.indexOf(name)
  return checker.getPropertiesOfType(type).sort((a, b) => placeOf(a) - placeOf(b))
}

const named = (symbols) => symbols.map((one) => [code(one.name), cell(commentOf(one))])

/** Tensors that have one of some roles. */
const tensors = (all, roles) =>
  all.flatMap((symbol) => {
    const type = typeOf(symbol)
    const made = (type.isUnion() ? type.types : [type]).find((of) => of.getProperty('role'))
    const [array, { value: role }] = partsOf(made)
    if (!roles.includes(role) || /^Hidden/.test(commentOf(symbol))) return []
    const note = /updates|changes/.test(role) ? ' Updated.' : ''
    const typed = checker.typeToString(array).replace(/<\w+>/g, '')
    return [[code(symbol.name), cell(commentOf(symbol)) + note, code(typed)]]
  })

/** What an op's row says. */
function opSection(op) {
  const [given, made, settings] = partsOf(typeOf(op))
  const all = membersOf(made)
  return [
    `## ${op.name}\n\n${declared.prose(commentOf(op))}\n\n`,
    table(['option', ''], named(membersOf(given))),
    table(['argument', '', ''], tensors(all, ['takes', 'updates', 'changes'])),
    table(['result', '', ''], tensors(all, ['gives', 'makes', 'asked', 'changes'])),
    table(['own memory of the plan', '', ''], tensors(all, ['shows'])),
    table(['setting of `run`', ''], named(membersOf(settings))),
    declared.examplesOf(op),
  ].join('')
}

function sectionOf(symbol) {
  if (isOp(symbol)) return opSection(symbol)
  if (!declared.isFunction(symbol)) return declared.sectionsOf(symbol)
  const made = fileOf(symbol) === 'src/nn/optimizers.ts' ? api[symbol.name]() : undefined
  return declared.functionSection(symbol, { made })
}

/** The pages by their names; neurons have one of their own. */
export function functionPages() {
  const elsewhere = new Set([...Object.keys(api.neurons.list())])
  const all = declared.exportsOf('src/index.ts').filter(({ name }) => !/\/ops\//.test(name))
  const ops = declared.exportsOf('src/ops/index.ts').filter(isOp)
  const left = new Set([...all.filter(({ name }) => !elsewhere.has(name)), ...ops])
  const made = Object.entries(pages).map(([page, { from = [], ...head }]) => {
    const isHere = (place) => (one) => fileOf(one).startsWith(`src/${place}`) && left.delete(one)
    const found = from.flatMap((place) => [...left].filter(isHere(place)))
    return [page, declared.headOf(head) + found.map(sectionOf).join('')]
  })
  if (left.size) throw new Error(`on no page: ${[...left].map(({ name }) => name).join(', ')}`)
  return Object.fromEntries(made)
}
