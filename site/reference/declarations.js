// What declarations say: functions, their arguments and options, with types, defaults and comments.
import ts from 'typescript'
import { anchorOf, root } from '../links.js'
import { cell, code, jsonBlock, prose, table } from './markdown.js'
import pages from './pages.json' with { type: 'json' }

// Neither what files import from elsewhere nor these rooms: to read them takes a third of the time,
// and pages say nothing of them.
const config = { extends: './tsconfig.json', include: ['src'] }
const { options, fileNames } = ts.parseJsonConfigFileContent(config, ts.sys, root)
const files = fileNames.filter((name) => !/\/src\/(bench|cli|diagnose|scale|watch)\//.test(name))
const program = ts.createProgram(files, { ...options, noResolve: true, types: [] })
export const checker = program.getTypeChecker()

/** What a module exports, each under what it was declared as. */
export const exportsOf = (file) =>
  checker
    .getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(root + file)))
    .map((one) => (one.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(one) : one))
export const exported = new Map(exportsOf('src/index.ts').map((one) => [one.name, one]))

const placeOf = ({ declarations }) => declarations?.[0]
/** The file in which something is declared, from the root. */
export const fileOf = (symbol) => placeOf(symbol).getSourceFile().fileName.slice(root.length)

const textOf = ts.displayPartsToString
/** The comment of a symbol or a signature. */
export const commentOf = (of) => textOf(of.getDocumentationComment(checker))
const tagsOf = (of, name) =>
  of.getJsDocTags(checker).flatMap((tag) => (tag.name === name ? textOf(tag.text) : []))

const defaults = [
  // A sentence of its own, up to its end; or what stands behind a semicolon, up to the next one.
  /(?<=^|\.\s+)(?:its )?defaults?:?\s+(?:is )?(.+?)(?:\.(?=\s|$)|$)()/is,
  /[;,]\s+(?:its )?defaults?:?\s+(.+?)([;.](?=\s|$)|$)/is,
  // One of several values that are told; the text stays as it is.
  /(?=('[^']*'|\d+)(?:, the default\b| \(default\)))()/,
]

/** The part of a comment that says the default, and the rest of it. */
export function splitDefault(text) {
  const found = defaults.find((one) => one.test(text))
  return found ? [text.match(found)[1], text.replace(found, '$2').trim()] : ['', text]
}

const { Class, Interface, TypeAlias } = ts.SymbolFlags
const folders = { [Class]: 'classes', [Interface]: 'interfaces', [TypeAlias]: 'types' }

/** A type as a reader needs it: names are written out or lead to /api/, what is long is left out. */
function typeText(type) {
  const own = checker.getNonNullableType(type)
  const isNames = own.isUnion() && own.types.every((one) => one.isStringLiteral())
  const names = isNames && own.types.map(({ value }) => `'${value}'`).join(' | ')
  const text = names || checker.typeToString(type, undefined, ts.TypeFormatFlags.NoTruncation)
  const short = text.replaceAll(/ \| undefined$|\breadonly |<ArrayBufferLike>/g, '')
  if (short.length > 90) return ''
  const [name] = short.match(/^\w+(?=$|\[\]$)/) ?? []
  const folder = folders[exported.get(name)?.flags & (Class | Interface | TypeAlias)]
  const shown = code(short.replaceAll('"', "'"))
  return folder ? `[${shown}](/api/${folder}/index.${name}.html)` : shown
}

const isOptional = ({ flags, valueDeclaration: at }) =>
  Boolean(flags & ts.SymbolFlags.Optional || at?.questionToken || at?.initializer)

export const typeOf = (symbol) => checker.getTypeOfSymbol(symbol)

/** Options that other functions take too: who tells of them. */
const homes = Object.entries(pages).flatMap(([page, { tells = {} }]) =>
  Object.entries(tells).map(([name, type]) => ({
    name,
    link: `[${code(name)}](/reference/${page}#${anchorOf(name)})`,
    options: checker.getDeclaredTypeOfSymbol(exported.get(type)).getProperties(),
  })),
)

/** Members of an argument that is an object of options, else the argument itself. */
function membersOf(parameter) {
  if (!/^(options|arrays|own|learn)$/.test(parameter.name)) return parameter
  const type = checker.getNonNullableType(typeOf(parameter))
  const all = (type.isUnion() ? type.types : [type]).flatMap((one) => one.getProperties())
  return [...new Map(all.map((one) => [one.name, one])).values()]
}

/** @param made what the function makes without options */
function rowOf(symbol, text, made) {
  const [said, rest] = splitDefault(text)
  const own = JSON.stringify(made?.[symbol.name])?.replaceAll('"', "'")
  const usual = /^[^[{]/.test(own ?? '{') ? code(own) : cell(said)
  const preset = isOptional(symbol) ? usual : '*needed*'
  const typed = [code(symbol.name), typeText(typeOf(symbol))].filter(Boolean).join('<br>')
  return [typed, preset, cell(rest)]
}

const isRest = ({ valueDeclaration: at }) => Boolean(at?.dotDotDotToken)

/** Arguments of a function; instead of a rest that is a tuple its parts. */
const argumentsOf = ({ parameters }) =>
  parameters.flatMap((parameter) => {
    const [type, name] = [typeOf(parameter), { value: parameter.name }]
    if (!isRest(parameter) || !checker.isTupleType(type)) return parameter
    const parts = type.getProperties().slice(0, type.target.fixedLength)
    return parts.map((part) => Object.create(part, { name }))
  })

const listed = (symbols) => symbols.map(({ name }) => code(name)).join(', ')

/** Which options of another function are taken too. */
function alsoText({ link, options }, taken) {
  const left = options.filter((one) => !taken.some(({ name }) => name === one.name))
  if (taken.length === 0) return ''
  if (left.length > taken.length) return `It takes ${listed(taken)} of ${link} too.\n\n`
  const but = left.length > 0 ? `, all but ${listed(left)}` : ''
  return `It takes the options of ${link} too${but}.\n\n`
}

/** A table of a function's arguments and of the options in them, and whose options it takes too. */
function argumentTable(name, { given, told, made }) {
  const tags = tagsOf(told, 'param').map((tag) => tag.match(/^(\w+)[\s-]*(.*)$/s).slice(1))
  const texts = Object.fromEntries(tags)
  const all = given.flatMap(membersOf)
  const isAt = (symbol) => (one) => placeOf(one) === placeOf(symbol)
  const homeOf = (one) => homes.find((home) => home.name !== name && home.options.some(isAt(one)))
  const of = (home) => all.filter((one) => homeOf(one) === home)
  const rows = of(undefined).map((one) => rowOf(one, texts[one.name] ?? commentOf(one), made))
  const also = homes.map((home) => alsoText(home, of(home)))
  return table(['argument or option', 'default', ''], rows) + also.join('')
}

export const examplesOf = (of) => [...tagsOf(of, 'example'), ''].join('\n\n')

/** Ways to call a function: each that has a comment, as general as it gets; `told` has the comment. */
function callsOf(symbol) {
  const calls = []
  for (const signature of typeOf(symbol).getCallSignatures()) {
    const isTold = commentOf(signature) !== ''
    if (isTold || calls.length === 0) calls.push({ told: isTold ? signature : symbol })
    calls.at(-1).given = argumentsOf(signature)
  }
  return calls
}

/**
 * A function's section.
 *
 * @param name how it is called
 * @param made what it makes without options
 * @param figure what stands behind its text
 */
export function functionSection(symbol, { name = symbol.name, mark = '##', made, figure = '' }) {
  const callOf = ({ given, told }) => {
    const names = given.map((one) => {
      return (isRest(one) ? '...' : '') + one.name + (isOptional(one) ? '?' : '')
    })
    const call = `\`\`\`ts\n${name}(${names.join(', ')})\n\`\`\`\n\n`
    const text = `${prose(commentOf(told))}\n\n${figure}`
    return call + text + argumentTable(name, { given, told, made }) + examplesOf(told)
  }
  return `${mark} ${name}\n\n${callsOf(symbol).map(callOf).join('')}`
}

export const isFunction = (symbol) => typeOf(symbol).getCallSignatures().length > 0
const isClass = ({ flags }) => flags & (Class | Interface)

/** Whether a member is for others. */
const isPublic = (one) =>
  fileOf(one).startsWith('src/') &&
  commentOf(one) !== '' &&
  !(ts.getCombinedModifierFlags(placeOf(one)) & ts.ModifierFlags.Private)

/**
 * A class, an interface, an object or a namespace: a table of its properties, sections of its
 * functions; of what has no functions its `value`.
 */
export function sectionsOf(symbol, value) {
  const title = symbol.name.replace(/^.*\/|"/g, '')
  const type = isClass(symbol) ? checker.getDeclaredTypeOfSymbol(symbol) : typeOf(symbol)
  const all = type.getProperties().filter(isPublic)
  const own = { Ops: '' }[title] ?? `${isClass(symbol) ? title.toLowerCase() : title}.`
  const sections = all
    .filter(isFunction)
    .map((one) => functionSection(one, { name: own + one.name, mark: '###' }))
  const row = (one) => [code(one.name), typeText(typeOf(one)), cell(commentOf(one))]
  const told = table(['property', 'type', ''], all.filter((one) => !isFunction(one)).map(row))
  const shown = isClass(symbol) || sections.length > 0 ? told : jsonBlock(value)
  return `## ${title}\n\n${prose(commentOf(symbol))}\n\n${shown}${sections.join('')}`
}
