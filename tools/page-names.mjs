// Short names for properties that only the package's own code uses, for what pages load. A name stays
// when anybody else may read or write it: users, by the declarations of the package's entries, the
// language and the browser, by TypeScript's libraries, files, workers and modules of the engine, and
// whoever has it as a text.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'
import { BUDGETS } from './page-constants.mjs'

/** Declarations of what a page may import. */
const ENTRIES = ['index', 'node-ops', 'net', 'page-layers'].map((name) => `build/src/${name}.d.ts`)

/**
 * What these files say stays: they read and write JSON, files, messages and modules, use packages of
 * others, or make objects whose keys become names of parameters.
 */
const OUTSIDE = new RegExp(
  `^src/(${[
    ...['io/', 'nn/', 'loss/', 'optimizer/', 'models/', 'containers', 'graph/json', 'nir/'],
    ...[
      'runtime/(load|executor|kernel-table|record-times|package-file)',
      'runtime/page/(protocol|worker)',
    ],
    ...['edge/(abi|section|struct)', 'train/callbacks/', 'train/.*(snapshot|checkpoint|state)'],
  ].join('|')})`,
)

/** Of these too, though a page has others in their place, or their types alone. */
const ALSO = ['executor', 'record-times', 'page/worker'].map((name) => `src/runtime/${name}.ts`)

const isWord = (text) => /^[A-Za-z_$][\w$]*$/.test(text)

const parsed = new Map()

/** The tree of a file. */
export function parse(path) {
  const source =
    parsed.get(path) ??
    ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ES2022, true)
  parsed.set(path, source)
  return source
}

function walk(node, visit) {
  visit(node)
  ts.forEachChild(node, (child) => walk(child, visit))
}

/** What is a name of a property where it stands. */
function propertyName(node) {
  const { parent } = node
  if (!ts.isIdentifier(node) || !parent) return undefined
  // Numbers take their place (page-constants.mjs).
  if (ts.isPropertyAccessExpression(parent) && parent.expression.getText() === 'budgets')
    return undefined
  const isName =
    (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
    (ts.isBindingElement(parent) && parent.propertyName === node) ||
    (ts.isBindingElement(parent) &&
      parent.name === node &&
      !parent.propertyName &&
      ts.isObjectBindingPattern(parent.parent)) ||
    ((ts.isObjectLiteralElementLike(parent) ||
      ts.isClassElement(parent) ||
      ts.isTypeElement(parent)) &&
      parent.name === node) ||
    (ts.isParameter(parent) && parent.name === node && parent.modifiers !== undefined)
  return isName ? node.text : undefined
}

/** Members of the language's and the browser's objects. */
function namesOfLibraries() {
  const folder = dirname(ts.getDefaultLibFilePath({}))
  const names = new Set()
  for (const file of readdirSync(folder))
    if (/^lib\.(es\d+|esnext|dom|webworker|decorators)\b.*\.d\.ts$/.test(file))
      for (const [, name] of readFileSync(join(folder, file), 'utf8').matchAll(
        /^\s*(?:(?:declare|readonly|get|set|static|function|var|let|const|class|interface|namespace) )*([A-Za-z_$][\w$]*)/gm,
      ))
        names.add(name)
  return names
}

/** Names in the declarations that users see, by following what they name from file to file. */
function namesOfEntries() {
  const files = new Map()
  const names = new Set()
  const seen = new Set()
  const load = (path) => {
    if (files.has(path)) return files.get(path)
    const declared = new Map()
    const stars = []
    const put = (name, found) => declared.set(name, [...(declared.get(name) ?? []), found])
    files.set(path, { declared, stars })
    for (const statement of parse(path).statements) {
      const from = statement.moduleSpecifier?.text
      const other = from?.startsWith('.') && join(dirname(path), from).replace(/\.js$/, '.d.ts')
      if (ts.isImportDeclaration(statement) && other) {
        const { namedBindings, name } = statement.importClause ?? {}
        if (name) put(name.text, { path: other, name: 'default' })
        if (namedBindings && ts.isNamespaceImport(namedBindings))
          put(namedBindings.name.text, { path: other })
        for (const element of namedBindings?.elements ?? [])
          put(element.name.text, { path: other, name: (element.propertyName ?? element.name).text })
      } else if (ts.isExportDeclaration(statement)) {
        const { exportClause } = statement
        if (!exportClause) stars.push(other)
        else if (ts.isNamespaceExport(exportClause)) put(exportClause.name.text, { path: other })
        else
          for (const element of exportClause.elements) {
            const name = (element.propertyName ?? element.name).text
            if (other) put(element.name.text, { path: other, name })
            else if (element.propertyName) put(element.name.text, { path, name })
          }
      } else if (ts.isVariableStatement(statement))
        for (const one of statement.declarationList.declarations)
          put(one.name.getText(), { node: one, path })
      else if (statement.name) put(statement.name.text, { node: statement, path })
    }
    return files.get(path)
  }
  const follow = (path, name) => {
    const key = `${path} ${name}`
    if (seen.has(key)) return
    seen.add(key)
    const { declared, stars } = load(path)
    if (name === undefined) for (const one of declared.keys()) follow(path, one)
    for (const found of declared.get(name) ?? [])
      if (found.node) take(found.path, found.node)
      else follow(found.path, found.name)
    for (const star of stars) if (star) follow(star, name)
  }
  /** The member of a type that is named, where only that one is. */
  const member = (path, type, name) => {
    const found = ts.isTypeReferenceNode(type)
      ? load(path).declared.get(type.typeName.getText())
      : []
    for (const one of found ?? []) {
      const target = one.node
        ? one
        : load(one.path)
            .declared.get(one.name)
            ?.find((o) => o.node)
      const at = target?.node?.members?.find((m) => m.name?.getText() === name)
      if (!at) return false
      take(target.path, at)
    }
    return (found ?? []).length > 0
  }
  const isHidden = (node) =>
    node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword) ||
    ts.getJSDocTags(node).some(({ tagName }) => tagName.text === 'internal')
  const take = (path, node) => {
    if ((ts.isClassElement(node) || ts.isTypeElement(node)) && isHidden(node)) return
    if (ts.isIndexedAccessTypeNode(node)) {
      const { indexType, objectType } = node
      const of = ts.isLiteralTypeNode(indexType) ? indexType.literal.text : undefined
      if (of !== undefined && member(path, objectType, of)) return
    }
    if (ts.isIdentifier(node)) {
      const name = propertyName(node)
      if (name !== undefined) names.add(name)
      else follow(path, node.text)
      return
    }
    if (ts.isImportTypeNode(node)) {
      const from = node.argument.literal.text
      if (from.startsWith('.'))
        follow(join(dirname(path), from).replace(/\.js$/, '.d.ts'), node.qualifier?.getText())
      for (const one of node.typeArguments ?? []) take(path, one)
      return
    }
    if (ts.isStringLiteral(node)) names.add(node.text)
    ts.forEachChild(node, (child) => take(path, child))
  }
  for (const entry of ENTRIES) follow(entry)
  for (const entry of ENTRIES)
    for (const { path, name } of [...load(entry).declared.values()].flat()) follow(path, name)
  return names
}

/** Names that a module gives, and those that a file reads of a module as a whole. */
function namesOfModules(source) {
  const names = new Set(['default'])
  const wholes = new Set()
  walk(source, (node) => {
    if (ts.isNamespaceImport(node)) wholes.add(node.name.text)
    if (ts.isExportSpecifier(node)) names.add(node.name.text)
    if (ts.isNamespaceExport(node)) names.add(node.name.text)
    const isExported = node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
    if (isExported && ts.isVariableStatement(node))
      for (const { name } of node.declarationList.declarations) names.add(name.getText())
    else if (isExported && node.name) names.add(node.name.text)
  })
  walk(source, (node) => {
    if (ts.isPropertyAccessExpression(node) && wholes.has(node.expression.getText()))
      names.add(node.name.text)
  })
  return names
}

/** Names that a file writes as texts, or puts together from texts. */
function namesOfTexts(node, words, patterns) {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) {
    words.add(node.text)
    const { parent } = node
    if (ts.isBinaryExpression(parent) && isWord(node.text) && node.text.length > 1)
      patterns.push(parent.left === node ? `^${node.text}` : `${node.text}$`)
  }
  if (!ts.isTemplateExpression(node)) return
  const parts = [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)]
  const text = parts.join('')
  if (text !== '' && /^[\w$]+$/.test(text)) patterns.push(`^${parts.join('\\w*')}$`)
}

/** What a table is called: the variable or the property that holds it. */
const calledBy = (node) =>
  ts.isIdentifier(node)
    ? node.text
    : ts.isPropertyAccessExpression(node)
      ? node.name.text
      : undefined

/** Whether a key is a number, as it is written: of an array, whose elements have no names. */
const isIndex = (key) =>
  ts.isNumericLiteral(key) ||
  (ts.isIdentifier(key) && /^(i|j|k|index)$/.test(key.text)) ||
  (ts.isBinaryExpression(key) && ARITHMETIC.has(key.operatorToken.kind))

/** What gives numbers alone; a sum may be one of texts. */
const ARITHMETIC = new Set([
  ts.SyntaxKind.MinusToken,
  ts.SyntaxKind.AsteriskToken,
  ts.SyntaxKind.SlashToken,
  ts.SyntaxKind.PercentToken,
  ts.SyntaxKind.GreaterThanGreaterThanToken,
])

/** Names of what is read by keys that are made when it runs, or listed. */
function tableOf(node) {
  if (ts.isElementAccessExpression(node)) {
    const { argumentExpression: key } = node
    return isIndex(key) ? undefined : calledBy(node.expression)
  }
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.InKeyword)
    return calledBy(node.right)
  const isOfObject =
    ts.isCallExpression(node) &&
    ts.isPropertyAccessExpression(node.expression) &&
    node.expression.expression.getText() === 'Object'
  return isOfObject && node.arguments[0] ? calledBy(node.arguments[0]) : undefined
}

/** The keys of a table that is written out, under its name. */
function keysOf(node) {
  const isTable =
    (ts.isVariableDeclaration(node) || ts.isPropertyAssignment(node)) && node.initializer
  let value = isTable ? node.initializer : undefined
  while (value && (ts.isAsExpression(value) || ts.isSatisfiesExpression(value)))
    value = value.expression
  if (!value || !ts.isObjectLiteralExpression(value)) return undefined
  return [node.name.getText(), value.properties.flatMap((p) => p.name?.getText() ?? [])]
}

/** Names of one letter, then of two, but for those of somebody else, and of the language. */
function* shortNames(taken) {
  const letters = [...'etnrioaslucdpmhfgbvywkxqjzETNRIOASLUCDPMHFGBVYWKXQJZ']
  const pairs = letters.flatMap((a) => letters.map((b) => a + b))
  const words = new Set(['do', 'if', 'in', 'is', 'as', 'of'])
  for (const name of [...letters, ...pairs])
    if (!words.has(name) && !taken.some((names) => names.has(name))) yield name
}

/**
 * Short names by long ones.
 *
 * @param paths the sources of what pages load
 * @param enums names of enums and of their members
 */
export function shortNamesOf(paths, enums) {
  const counts = new Map()
  const texts = new Set()
  const patterns = []
  const outside = new Set()
  const tables = new Set()
  const keys = []
  const modules = new Set()
  const sources = [...paths, ...ALSO].filter((path) => path !== BUDGETS)
  for (const path of sources) {
    const source = parse(path)
    for (const name of namesOfModules(source)) modules.add(name)
    walk(source, (node) => {
      const name = propertyName(node)
      if (name !== undefined) {
        counts.set(name, (counts.get(name) ?? 0) + 1)
        if (OUTSIDE.test(path)) outside.add(name)
      }
      namesOfTexts(node, texts, patterns)
      const table = tableOf(node)
      if (table !== undefined) tables.add(table)
      const found = keysOf(node)
      if (found) keys.push(found)
    })
  }
  const ofTables = new Set(keys.flatMap(([name, of]) => (tables.has(name) ? of : [])))
  const libraries = namesOfLibraries()
  const entries = namesOfEntries()
  const composed = new RegExp(patterns.length > 0 ? patterns.join('|') : '^$')
  const stays = (name) =>
    name.length < 3 ||
    // Of the environment.
    name === name.toUpperCase() ||
    name === 'setImmediate' ||
    name === 'unref' ||
    [libraries, entries, texts, outside, ofTables, modules, new Set(enums)].some((names) =>
      names.has(name),
    ) ||
    composed.test(name)
  const own = [...counts.keys()].filter((name) => !stays(name))
  own.sort((a, b) => counts.get(b) - counts.get(a) || (a < b ? -1 : 1))
  const short = shortNames([counts, texts, libraries, entries, modules])
  return Object.fromEntries(own.map((name) => [name, short.next().value]))
}
