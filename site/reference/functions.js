// Pages of functions and ops, by where they are declared; none that is exported may be left out.
import * as declared from './declarations.js'
import { cell, code, prose, table } from './markdown.js'
import pages from './pages.json' with { type: 'json' }

/** Its functions are found by their names. */
const api = await import('../../build/dist/index.js')

const { checker, commentOf, exported, fileOf, typeOf } = declared
const partsOf = (type) => (type ? checker.getTypeArguments(type) : [])
const isOp = (symbol) =>
  fileOf(symbol).startsWith('src/ops/') && partsOf(typeOf(symbol)).length === 5

/** Names in the order in which an object gets them: TypeScript lists what is spread last. */
function namesOf(type) {
  if (type.isUnion()) return type.types.flatMap(namesOf)
  const given = type.symbol?.valueDeclaration?.properties
  if (!given) return type.getProperties().map(({ name }) => name)
  return given.flatMap(({ name, expression }) =>
    name ? name.getText() : namesOf(checker.getTypeAtLocation(expression)),
  )
}

/** Members of a type in the order of the row. */
const membersOf = (type) =>
  [...new Set(namesOf(type))].flatMap((name) => checker.getPropertyOfType(type, name) ?? [])

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
    `## ${op.name}\n\n${prose(commentOf(op))}\n\n`,
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
  if (!declared.isFunction(symbol)) return declared.sectionsOf(symbol, api[symbol.name])
  const made = fileOf(symbol) === 'src/nn/optimizers.ts' ? api[symbol.name]() : undefined
  return declared.functionSection(symbol, { made })
}

const drawn = api.neurons.list()
/** What is no type alone, and what blocks are given; neurons have a page of their own. */
const isTold = ({ name, valueDeclaration }) =>
  name === 'Ops' || (valueDeclaration && !(name in drawn) && !/\/ops\//.test(name))

/** The pages by their names. */
export function functionPages() {
  const ops = declared.exportsOf('src/ops/index.ts').filter(isOp)
  const left = new Set([...[...exported.values()].filter(isTold), ...ops])
  const made = Object.entries(pages).map(([page, { title, text, from = [] }]) => {
    const isOf = (place) => (one) => fileOf(one).startsWith(`src/${place}`) && left.delete(one)
    const found = from.flatMap((place) => [...left].filter(isOf(place)))
    return [page, `# ${title}\n\n${text}\n\n${found.map(sectionOf).join('')}`]
  })
  if (left.size) throw new Error(`on no page: ${[...left].map(({ name }) => name).join(', ')}`)
  return Object.fromEntries(made)
}
