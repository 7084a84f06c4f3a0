// Lists the mutants of a source file: small changes, each of which should make a test fail. Files of
// src and of assembly are read alike, since AssemblyScript has TypeScript's syntax. Types, imports
// and interfaces have no mutants.
import ts from 'typescript'

/** A comparison moved by one, and flipped: an operator, or a call such as `f32x4.lt(a, b)`. */
const COMPARISONS = new Map(
  Object.entries({
    '<': ['<=', '>'],
    '<=': ['<', '>='],
    '>': ['>=', '<'],
    '>=': ['>', '<='],
    '===': ['!=='],
    '!==': ['==='],
    '==': ['!='],
    '!=': ['=='],
    lt: ['le', 'gt'],
    le: ['lt', 'ge'],
    gt: ['ge', 'lt'],
    ge: ['gt', 'le'],
    eq: ['ne'],
    ne: ['eq'],
  }),
)

/** Operators and calls whose operands are not swapped for nothing. */
const ORDERED = ['-', '/', '%', '**', '<<', '>>', '>>>', 'sub', 'div']

const OPPOSITES = { min: 'max', max: 'min', floor: 'ceil', ceil: 'floor' }
/** `pmin` becomes `pmax`, `max_s` becomes `min_s`; other names stay. */
const exchanged = (name) =>
  name.replace(/(?<=^p?)(min|max|floor|ceil)(?=(_[su])?$)/, (found) => OPPOSITES[found])

const DROPPED = /^(Expression|Throw|Return|Break|Continue)Statement$/
const WITHOUT_MUTANTS = /^((Import|Export|Interface|TypeAlias)Declaration|Decorator)$/
const kindOf = (node) => ts.SyntaxKind[node.kind]

/** A number moved by one, written so that a float stays a float: 1.0 becomes 2.0. */
function neighbours(node, text) {
  if (ts.isBigIntLiteral(node)) {
    const value = BigInt(text.slice(0, -1).replaceAll('_', ''))
    return [`${value + 1n}n`, `(${value - 1n}n)`]
  }
  const value = Number(text.replaceAll('_', ''))
  const isFloat = /[.eE]/.test(text) && !/^0[xX]/.test(text)
  const write = (number) => `${number}${isFloat && /^-?\d+$/.test(number) ? '.0' : ''}`
  return [write(value + 1), value > 0 ? write(value - 1) : `(${write(value - 1)})`]
}

/** The condition that decides which way the program goes. */
const conditionOf = (node) =>
  /^(If|While|Do)Statement$/.test(kindOf(node))
    ? node.expression
    : ts.isConditionalExpression(node) || ts.isForStatement(node)
      ? node.condition
      : undefined

/** What becomes of one node: [first node that is replaced, text, operator, last node]. */
function changesOf(node, textOf) {
  const changes = []
  const add = (operator, first, text, last = first) => changes.push([first, text, operator, last])
  const swap = (a, b) => {
    const between = textOf(a, b).slice(textOf(a).length, -textOf(b).length)
    add('operands swapped', a, `(${textOf(b)})${between}(${textOf(a)})`, b)
  }
  if (ts.isBinaryExpression(node)) {
    const operator = textOf(node.operatorToken)
    for (const text of COMPARISONS.get(operator) ?? []) add('comparison', node.operatorToken, text)
    if (ORDERED.includes(operator)) swap(node.left, node.right)
  }
  const isKey = ts.isPropertyAssignment(node.parent) && node.parent.name === node
  if ((ts.isNumericLiteral(node) || ts.isBigIntLiteral(node)) && !isKey)
    for (const text of neighbours(node, textOf(node))) add('constant', node, text)
  if (ts.isCallExpression(node)) {
    const { expression } = node
    const callee = ts.isPropertyAccessExpression(expression) ? expression.name : expression
    const name = textOf(callee)
    const [a, b, ...others] = node.arguments
    if (exchanged(name) !== name) add('function exchanged', callee, exchanged(name))
    // Comparisons of integers may say whether there is a sign: lt_s.
    const [, compares, sign = ''] = /^([a-z]+)(_[su])?$/.exec(name) ?? []
    for (const text of (b && COMPARISONS.get(compares)) ?? [])
      add('comparison', callee, text + sign)
    if (b && others.length === 0 && ORDERED.includes(name)) swap(a, b)
  }
  if (ts.isElementAccessExpression(node)) {
    const { argumentExpression: index } = node
    if (!ts.isStringLiteralLike(index) && !ts.isNumericLiteral(index))
      add('index', index, `(${textOf(index)}) + 1`)
  }
  const condition = conditionOf(node)
  if (condition) add('condition negated', condition, `!(${textOf(condition)})`)
  if (DROPPED.test(kindOf(node))) add('statement dropped', node, ';')
  return changes
}

/**
 * The mutants of a file, in the order of its text.
 * @returns of each: `line` (from 1), `operator`, and that `from`, at `start`, becomes `to`
 */
export function mutantsOf(path, source) {
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS)
  const textOf = (first, last = first) => source.slice(first.getStart(file), last.end)
  const mutants = []
  const visit = (node) => {
    if (WITHOUT_MUTANTS.test(kindOf(node)) || ts.isTypeNode(node)) return
    for (const [first, to, operator, last] of changesOf(node, textOf)) {
      const start = first.getStart(file)
      const line = file.getLineAndCharacterOfPosition(start).line + 1
      mutants.push({ line, operator, start, from: textOf(first, last), to })
    }
    ts.forEachChild(node, visit)
  }
  ts.forEachChild(file, visit)
  return mutants
}

/** The file's text with a mutant in it. */
export const applyMutant = (source, { start, from, to }) =>
  source.slice(0, start) + to + source.slice(start + from.length)

/** Numbers in [0, 1) that follow from a seed (mulberry32). */
function randomFrom(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x = (x + Math.imul(x ^ (x >>> 7), x | 61)) ^ x
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
}

/**
 * Draws mutants without end: a line of all the files' lines that have any, then one of its mutants.
 * No mutant comes twice.
 * @param files [path, text]
 */
export function* drawMutants(files, seed) {
  const random = randomFrom(seed)
  const lines = files.flatMap(([path, text]) => {
    const byLine = new Map()
    for (const mutant of mutantsOf(path, text))
      byLine.set(mutant.line, [...(byLine.get(mutant.line) ?? []), { path, ...mutant }])
    return [...byLine.values()]
  })
  while (lines.length > 0) {
    const at = Math.floor(random() * lines.length)
    const line = lines[at]
    yield* line.splice(Math.floor(random() * line.length), 1)
    if (line.length === 0) lines.splice(at, 1)
  }
}
