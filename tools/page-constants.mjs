// Numbers in the place of the constants that name them, for what pages load: members of enums, and
// constants of a file. A bundler keeps the names, and a page has no use for them.
import ts from 'typescript'

/** Longer ones keep their name where they are read more than once. */
const SHORT = 5

/** What a constant may be made of. */
function isArithmetic(node) {
  if (ts.isParenthesizedExpression(node)) return isArithmetic(node.expression)
  if (ts.isBinaryExpression(node)) return isArithmetic(node.left) && isArithmetic(node.right)
  return ts.isNumericLiteral(node)
}

/** The file whose one object no page writes to. */
export const BUDGETS = 'src/plan/budgets.ts'

/** What stands in that object, as "budgets.name". */
function budgetsOf(source) {
  const [{ initializer }] = source.statements.find(ts.isVariableStatement).declarationList
    .declarations
  return initializer.properties.map(({ name, initializer: value }) => {
    if (!isArithmetic(value)) throw new Error(`${source.fileName}: ${name.text} is no number`)
    return [`budgets.${name.text}`, `(${value.getText()})`]
  })
}

/** Values of a file's own enums, as "Name.Member", and of the budgets. */
export function enumsOf(source) {
  const values = new Map(source.fileName === BUDGETS ? budgetsOf(source) : [])
  for (const statement of source.statements.filter(ts.isEnumDeclaration)) {
    let next = 0
    for (const { name, initializer } of statement.members) {
      const value = initializer ? Number(initializer.getText()) : next
      if (Number.isNaN(value)) throw new Error(`${source.fileName}: ${name.getText()} is no number`)
      values.set(`${statement.name.text}.${name.getText()}`, value)
      next = value + 1
    }
  }
  return values
}

/** A file's constants that are numbers: what is written, and whether others may read them. */
export function constantsOf(source) {
  const found = new Map()
  const isConst = (node) =>
    ts.isVariableStatement(node) && node.declarationList.flags & ts.NodeFlags.Const
  for (const statement of source.statements.filter(isConst))
    for (const { name, initializer } of statement.declarationList.declarations)
      if (initializer && ts.isIdentifier(name) && isArithmetic(initializer)) {
        const isPlain = ts.isNumericLiteral(initializer)
        const text = initializer.getText().replaceAll('_', '')
        const isExported = statement.modifiers !== undefined
        found.set(name.text, { text: isPlain ? text : `(${text})`, isExported, name })
      }
  return found
}

/** Places where a name is read as a value; undefined where something else has the same name. */
function usesOf(source, name, declared) {
  const uses = []
  let isClear = true
  const visit = (node) => {
    if (ts.isTypeNode(node) || ts.isImportDeclaration(node) || ts.isInterfaceDeclaration(node))
      return
    if (ts.isIdentifier(node) && node.text === name && node !== declared) {
      const { parent } = node
      const isMember =
        (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
        (ts.isPropertyAssignment(parent) && parent.name === node) ||
        (ts.isBindingElement(parent) && parent.propertyName === node)
      if (ts.isShorthandPropertyAssignment(parent)) uses.push({ node, shorthand: true })
      else if (ts.isExportSpecifier(parent)) isClear = false
      else if (!isMember && parent.name === node) isClear = false
      else if (!isMember) uses.push({ node, shorthand: false })
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return isClear ? uses : undefined
}

/**
 * What to write in the place of constants.
 *
 * @param constantsFrom the constants of the file that an import means
 * @returns begin, end and what to write, of each place
 */
export function inlinedConstants(source, constantsFrom) {
  const changes = []
  const inline = (name, { text, isExported }, declared) => {
    const uses = usesOf(source, name, declared)
    if (!uses || (text.length > SHORT && (isExported || uses.length > 1))) return
    for (const { node, shorthand } of uses)
      changes.push([node.getStart(), node.end, shorthand ? `${name}: ${text}` : text])
  }
  for (const [name, constant] of constantsOf(source)) inline(name, constant, constant.name)
  for (const statement of source.statements.filter(ts.isImportDeclaration)) {
    const names = statement.importClause?.namedBindings?.elements
    const constants = names && constantsFrom(statement.moduleSpecifier.text)
    for (const { name, propertyName = name } of names ?? []) {
      const constant = constants?.get(propertyName.text)
      if (constant) inline(name.text, constant, name)
    }
  }
  return changes
}
