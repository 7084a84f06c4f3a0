// The page of the command line, from what commands declare, and from what a small run prints.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { commands } from '../../build/src/cli/program.js'
import { root } from '../links.js'
import { cell, code, table } from './declarations.js'

/** Texts of the command line, in which flags are marked as code. */
const told = (text) =>
  cell(text.replaceAll(/`[^`]+`|(?<![\w-])--[a-z][\w-]*/g, '`$&`').replaceAll('``', '`'))

function rowOf({ flags, argChoices: names, description, spec = {}, defaultValue }) {
  const { shown, preset = defaultValue, usual } = spec
  const value = shown ?? preset
  const isSaid = value !== undefined && typeof value !== 'boolean'
  const text = description.replace(usual === undefined ? '' : ` (default: ${usual})`, '')
  const choices = names ? `: ${names.map(code).join(', ')}` : ''
  return [code(flags), told(text) + choices, isSaid ? code(`${value}`) : told(usual ?? '')]
}

/** Options of a command, each group in a table of its own. */
function optionTables({ options }) {
  const groups = {}
  for (const option of options.filter(({ hidden }) => !hidden)) {
    const group = `**${option.helpGroupHeading ?? 'Options:'}**\n\n`
    groups[group] = [...(groups[group] ?? []), rowOf(option)]
  }
  const heads = ['option', '', 'default']
  return Object.entries(groups).map(([group, rows]) => group + table(heads, rows))
}

/** Command lines of a small run, whose JSON is shown. */
const shownRuns = [
  'train --model mlp --epochs 1 --limit-train 64 --limit-test 20 --threads 1 --json --out run',
  'eval --run run --threads 1 --json',
  'export --run run --out net.wasm --json',
  'verify net.wasm --run run --hosts node --samples 5 --json',
  'info --run run --json',
]

/** A block of JSON in lines, in which lists longer than `most` are cut. */
export function jsonBlock(object, most = Number.POSITIVE_INFINITY) {
  const short = (_, value) =>
    Array.isArray(value) && value.length > most ? [value[0], '…'] : value
  const lines = JSON.stringify(object, short, 2)
  const text = lines.replaceAll(/[[{][^[\]{}]{1,80}[\]}]/g, (all) => all.replaceAll(/\s+/g, ' '))
  return `\`\`\`json\n${text}\n\`\`\`\n\n`
}

/** What the commands print, by command: the last line. */
function printedJson() {
  const folder = mkdtempSync(join(tmpdir(), 'spikewasm-reference-'))
  const how = { cwd: folder, encoding: 'utf8', stdio: 'pipe' }
  const printed = shownRuns.map((line) => {
    const args = [join(root, 'bin/spikewasm.js'), ...line.split(' ')]
    const lines = execFileSync(process.execPath, args, how)
    const json = JSON.parse(lines.trimEnd().split('\n').at(-1))
    return [args[1], `\`spikewasm ${line}\` prints\n\n${jsonBlock(json, 3)}`]
  })
  rmSync(folder, { recursive: true })
  return Object.fromEntries(printed)
}

/** A command's section. */
function section(command, name, printed = '') {
  const operand = (one) => [code(one.name()), told(one.description)]
  const usage = `\`\`\`sh\nnpx spikewasm ${name} ${command.usage()}\n\`\`\``
  return [
    `## ${name}\n\n${usage}\n\n${told(command.description())}\n\n`,
    table(['argument', ''], command.registeredArguments.map(operand)),
    ...optionTables(command),
    printed,
    ...command.commands.map((one) => section(one, `${name} ${one.name()}`)),
  ].join('')
}

/** The sections of all commands. */
export async function commandSections() {
  const printed = printedJson()
  const sections = Object.entries(commands).map(async ([name, load]) =>
    section((await load())(new Command(name)), name, printed[name]),
  )
  return (await Promise.all(sections)).join('')
}
