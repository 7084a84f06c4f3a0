// Texts of errors as numbers: "conv1: expects 3 input channels, got 5" becomes tell(137, 'conv1', 3,
// 5). A module has the texts; the entries for production do not load it.
import ts from 'typescript'

/** What is read by nobody but people who look for a mistake. */
const TELLS = new Set(['SpikewasmError', 'Error', 'RangeError', 'TypeError', 'expect'])

/** Calls whose texts stay: warnings, names of data, results. */
const SHOWS = /^(warn|.*\.warn|toDataset|readSplit|.*\.stop)$/

/** Files whose texts are messages, or names of buffers, wherever they stand. */
const MESSAGES =
  /^src\/(errors|network|load|containers|(data|graph|io|loss|models|nn|optimizer|page|plan|runtime|train)\/.*)\.ts$/

/** Files among them whose texts are results, or are kept in files. */
const RESULTS =
  /^src\/(plan\/summary|train\/(callbacks\/.*|told|fingerprint|operations)|data\/(mnist-files|autoaugment))\.ts$/

/** What the functions below are made of. */
const ERRORS = 'src/errors.ts'
const OWN = ['src/page/tell.ts', 'src/page/fail.ts']

/** A shorter text would gain nothing. */
const LEAST = 14

/** Stands in a text where a value belongs. */
const VALUE = '{}'

const isText = (node) => ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)

const isSum = (node) =>
  ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken

/** What a text is put together from: texts, and nodes of values; undefined for what is no text. */
function partsOf(node) {
  if (isText(node)) return [node.text]
  if (ts.isTemplateExpression(node))
    return [
      node.head.text,
      ...node.templateSpans.flatMap(({ expression, literal }) => [expression, literal.text]),
    ]
  const left = isSum(node) ? partsOf(node.left) : undefined
  return left && [...left, ...(partsOf(node.right) ?? [node.right])]
}

const isCompared = ({ parent }) =>
  ts.isCaseClause(parent) ||
  ts.isElementAccessExpression(parent) ||
  (ts.isBinaryExpression(parent) && parent.operatorToken.getText().includes('='))

/** Texts that have been found, and the number of each. */
export class Texts {
  #numbers = new Map()

  numberOf(text) {
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    this.#numbers.set(text, this.#numbers.size + 1)
    return this.#numbers.size
  }

  /** A module that gives texts to `tell`, and lists them: all, or those of these numbers. */
  module(version, tell, numbers) {
    const own = [...this.#numbers].filter(([, number]) => !numbers || numbers.has(number))
    return `// What the numbers in messages of spikewasm ${version} mean; other versions have others.
// "spikewasm/texts.js#12(conv1|3)" is the text 12 with conv1 and 3 in the place of its first two {}.
// A value may be such a number again. Who imports this file before the rest sees texts instead.
import { showTexts } from '${tell}'
showTexts({
${own.map(([text, number]) => `  ${number}: ${JSON.stringify(text)},\n`).join('')}})
`
  }
}

/** The condition and the text of `expect(condition, () => text)`, where it is a statement. */
function checked({ expression: call }) {
  if (!call || !ts.isCallExpression(call) || call.expression.getText() !== 'expect')
    return undefined
  const [condition, message] = call.arguments
  if (!ts.isArrowFunction(message) || ts.isBlock(message.body)) return undefined
  return { condition, text: message.body, end: call.end }
}

/** The text of `throw new SpikewasmError(text)`. */
function thrown({ expression: made }) {
  const isOurs = ts.isNewExpression(made) && made.expression.getText() === 'SpikewasmError'
  if (!isOurs || made.arguments.length !== 1) return undefined
  return { text: made.arguments[0], end: made.end }
}

/**
 * What to write in the place of a file's texts: $tell(number, values …). An error is thrown by
 * $fail(number, values …), or by $refuse(text) where the text has no number.
 *
 * @param texts where they are kept
 * @returns begin, end and what to write, of each place; the numbers that they got; and the functions
 *   that are called
 */
export function codedTexts(file, source, texts) {
  const changes = []
  const numbers = new Set()
  const functions = new Set()
  const everywhere = MESSAGES.test(file) && !RESULTS.test(file)
  const call = (name) => {
    functions.add(name)
    return `$${name}(`
  }
  const encode = (node, parts, by) => {
    const values = parts.filter((part) => typeof part !== 'string')
    const text = parts.map((part) => (typeof part === 'string' ? part : VALUE)).join('')
    if (text.split(VALUE).length !== values.length + 1) throw new Error(`${file}: ${text}`)
    const number = texts.numberOf(text)
    numbers.add(number)
    let at = node.getStart()
    let before = `${call(by)}${number}`
    for (const value of values) {
      changes.push([at, value.getStart(), `${before}, `])
      at = value.end
      before = ''
    }
    changes.push([at, node.end, `${before})`])
  }
  /** The parts of a text that gets a number. */
  const codedParts = (node) => {
    const parts = isCompared(node) ? undefined : partsOf(node)
    const letters = (parts ?? []).filter((part) => typeof part === 'string').join('')
    const isMessage = letters.length >= LEAST && /[a-z,;:]{2}.* | +[a-z]{2}/.test(letters)
    return isMessage ? parts : undefined
  }
  const visitText = (node, inside, by) => {
    const parts = inside ? codedParts(node) : undefined
    if (!parts) return false
    encode(node, parts, by)
    for (const value of parts) if (typeof value !== 'string') visit(value, inside)
    return true
  }
  /** A statement that throws, from its start to its text. */
  const visitThrow = (node, { condition, text, end }) => {
    if (condition) {
      changes.push([node.getStart(), condition.getStart(), '!('])
      visit(condition, everywhere)
      changes.push([condition.end, text.getStart(), ') && '])
    } else changes.push([node.getStart(), text.getStart(), ''])
    if (visitText(text, true, 'fail')) changes.push([text.end, end, ''])
    else {
      changes.push([text.getStart(), text.getStart(), call('refuse')])
      visit(text, true)
      changes.push([text.end, end, ')'])
    }
  }
  const visit = (node, tells) => {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return
    const throws =
      file !== ERRORS &&
      ((ts.isExpressionStatement(node) && checked(node)) ||
        (ts.isThrowStatement(node) && thrown(node)))
    if (throws) {
      visitThrow(node, throws)
      return
    }
    let inside = tells
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
      const callee = node.expression.getText()
      if (SHOWS.test(callee)) return
      inside ||= TELLS.has(callee)
    }
    if (visitText(node, inside, 'tell')) return
    const key = ts.isPropertyAssignment(node) ? node.name : undefined
    ts.forEachChild(node, (child) => {
      if (child !== key) visit(child, inside)
    })
  }
  if (!OWN.includes(file)) ts.forEachChild(source, (node) => visit(node, everywhere))
  return { changes, numbers, functions }
}
