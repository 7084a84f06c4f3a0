// Lists the mutants of a source file: small changes, each of which should make a test fail. Files of
// src and of assembly are read alike, since AssemblyScript has TypeScript's syntax. Types, imports
// and interfaces have no mutants.
import ts from 'typescript'

const { SyntaxKind } = ts

/** A comparison moved by one, and flipped. */
const COMPARISONS = new Map([
  [SyntaxKind.LessThanToken, ['<=', '>']],
  [SyntaxKind.LessThanEqualsToken, ['<', '>=']],
  [SyntaxKind.GreaterThanToken, ['>=', '<']],
  [SyntaxKind.GreaterThanEqualsToken, ['>', '<=']],
  [SyntaxKind.EqualsEqualsEqualsToken, ['!==']],
  [SyntaxKind.ExclamationEqualsEqualsToken, ['===']],
  [SyntaxKind.EqualsEqualsToken, ['!=']],
  [SyntaxKind.ExclamationEqualsToken, ['==']],
])

/** Operators whose operands are not swapped for nothing. */
const ORDERED = new Set([
  SyntaxKind.MinusToken,
  SyntaxKind.SlashToken,
  SyntaxKind.PercentToken,
  SyntaxKind.AsteriskAsteriskToken,
  SyntaxKind.LessThanLessThanToken,
  SyntaxKind.GreaterThanGreaterThanToken,
  SyntaxKind.GreaterThanGreaterThanGreaterThanToken,
])
/** The same as calls: `f32x4.sub(a, b)`. */
const ORDERED_CALLS = new Set(['sub', 'div'])

/** Comparisons as calls: `f32x4.lt(a, b)`. */
const COMPARING_CALLS = new Map([
  ['lt', ['le', 'gt']],
  ['le', ['lt', 'ge']],
  ['gt', ['ge', 'lt']],
  ['ge', ['gt', 'le']],
  ['eq', ['ne']],
  ['ne', ['eq']],
])

const EXCHANGED = {
  min: 'max',
  max: 'min',
  floor: 'ceil',
  ceil: 'floor',
  pmin: 'pmax',
  pmax: 'pmin',
  min_s: 'max_s',
  max_s: 'min_s',
  min_u: 'max_u',
  max_u: 'min_u',
}

const DROPPED = new Set([
  SyntaxKind.ExpressionStatement,
  SyntaxKind.ThrowStatement,
  SyntaxKind.ReturnStatement,
  SyntaxKind.BreakStatement,
  SyntaxKind.ContinueStatement,
])

const WITHOUT_MUTANTS = new Set([
  SyntaxKind.ImportDeclaration,
  SyntaxKind.ExportDeclaration,
  SyntaxKind.InterfaceDeclaration,
  SyntaxKind.TypeAliasDeclaration,
  SyntaxKind.Decorator,
])

/** A number moved by one, written so that a float stays a float: 1.0 becomes 2.0. */
function neighbours(node, text) {
  if (node.kind === SyntaxKind.BigIntLiteral) {
    const value = BigInt(text.slice(0, -1).replaceAll('_', ''))
    return [`${value + 1n}n`, `(${value - 1n}n)`]
  }
  const value = Number(text.replaceAll('_', ''))
  const isFloat = /[.eE]/.test(text) && !/^0[xX]/.test(text)
  const write = (number) => {
    const digits = String(number)
    return isFloat && Number.isInteger(number) && !digits.includes('e') ? `${digits}.0` : digits
  }
  return [write(value + 1), value > 0 ? write(value - 1) : `(${write(value - 1)})`]
}

const calleeName = ({ expression }) =>
  ts.isPropertyAccessExpression(expression) ? expression.name : expression

/** The condition that decides which way the program goes. */
const conditionOf = (node) =>
  ts.isIfStatement(node) || ts.isWhileStatement(node) || ts.isDoStatement(node)
    ? node.expression
    : ts.isConditionalExpression(node) || ts.isForStatement(node)
      ? node.condition
      : undefined

/** What becomes of one node: [node that is replaced, text, operator]. */
function changesOf(node, textOf) {
  const changes = []
  const swap = (a, b) => {
    changes.push([a, `(${textOf(b)})`, 'operands swapped', b, `(${textOf(a)})`])
  }
  if (ts.isBinaryExpression(node)) {
    const { left, operatorToken, right } = node
    for (const text of COMPARISONS.get(operatorToken.kind) ?? [])
      changes.push([operatorToken, text, 'comparison'])
    if (ORDERED.has(operatorToken.kind)) swap(left, right)
  }
  const isKey = ts.isPropertyAssignment(node.parent ?? node) && node.parent.name === node
  if ((ts.isNumericLiteral(node) || ts.isBigIntLiteral(node)) && !isKey)
    for (const text of neighbours(node, textOf(node))) changes.push([node, text, 'constant'])
  if (ts.isCallExpression(node)) {
    const name = calleeName(node)
    const [a, b, ...others] = node.arguments
    if (Object.hasOwn(EXCHANGED, textOf(name)))
      changes.push([name, EXCHANGED[textOf(name)], 'function exchanged'])
    // Of integers with a sign or without: lt_s.
    const [, compares, sign] = /^([a-z]+)(_[su])?$/.exec(textOf(name)) ?? []
    for (const text of (b && COMPARING_CALLS.get(compares)) ?? [])
      changes.push([name, `${text}${sign ?? ''}`, 'comparison'])
    if (b && others.length === 0 && ORDERED_CALLS.has(textOf(name))) swap(a, b)
  }
  if (ts.isElementAccessExpression(node)) {
    const { argumentExpression: index } = node
    if (!ts.isStringLiteralLike(index) && !ts.isNumericLiteral(index))
      changes.push([index, `(${textOf(index)}) + 1`, 'index'])
  }
  const condition = conditionOf(node)
  if (condition) changes.push([condition, `!(${textOf(condition)})`, 'condition negated'])
  if (DROPPED.has(node.kind)) changes.push([node, ';', 'statement dropped'])
  return changes
}

/**
 * The mutants of a file, in the order of its text.
 * @returns of each: `line` (from 1), `operator`, and that `from`, at `start`, becomes `to`
 */
export function mutantsOf(path, source) {
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS)
  const textOf = (node) => source.slice(node.getStart(file), node.end)
  const mutants = []
  const add = ([node, to, operator, other, otherTo]) => {
    const start = node.getStart(file)
    const line = file.getLineAndCharacterOfPosition(start).line + 1
    const end = other ? other.end : node.end
    // Two nodes change places; what stands between them stays.
    const between = other ? source.slice(node.end, other.getStart(file)) + otherTo : ''
    const from = source.slice(start, end)
    mutants.push({ line, operator, start, from, to: to + between })
  }
  const visit = (node) => {
    if (WITHOUT_MUTANTS.has(node.kind) || ts.isTypeNode(node)) return
    for (const change of changesOf(node, textOf)) add(change)
    ts.forEachChild(node, visit)
  }
  visit(file)
  return mutants
}

/** The file's text with a mutant in it. */
export const applyMutant = (source, { start, from, to }) =>
  source.slice(0, start) + to + source.slice(start + from.length)

/** Numbers in [0, 1) that follow from a seed (mulberry32). */
export function randomFrom(seed) {
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
    for (const mutant of mutantsOf(path, text)) {
      if (!byLine.has(mutant.line)) byLine.set(mutant.line, [])
      byLine.get(mutant.line).push({ path, ...mutant })
    }
    return [...byLine.values()]
  })
  while (lines.length > 0) {
    const at = Math.floor(random() * lines.length)
    const line = lines[at]
    yield* line.splice(Math.floor(random() * line.length), 1)
    if (line.length === 0) lines.splice(at, 1)
  }
}
