// The page of the command line, from what commands declare, and from what a small run prints.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { datasets, describeSources } from '../../build/src/cli/datasets.js'
import { commands } from '../../build/src/cli/program.js'
import { root } from '../links.js'
import { cell, code, jsonBlock, table } from './markdown.js'
import pages from './pages.json' with { type: 'json' }

/** Texts of the command line, in which flags are marked as code. */
const told = (text) =>
  cell(text.replaceAll(/`[^`]+`|(?<![\w-])--[a-z][\w-]*/g, '`$&`').replaceAll('``', '`'))

function rowOf({ flags, argChoices: names, description, spec = {}, defaultValue }) {
  const { usual, preset = defaultValue, shown: value = preset } = spec
  const isSaid = value !== undefined && typeof value !== 'boolean'
  const text = description.replace(usual === undefined ? '' : ` (default: ${usual})`, '')
  const choices = names ? `: ${names.map(code).join(', ')}` : ''
  return [code(flags), told(text) + choices, isSaid ? code(`${value}`) : told(usual ?? '')]
}

/** Options of a command, each group in a table of its own. */
function optionTables({ options }) {
  const shown = options.filter(({ hidden }) => !hidden)
  const groupOf = ({ helpGroupHeading = 'Options:' }) => `**${helpGroupHeading}**\n\n`
  return [...new Set(shown.map(groupOf))].map((group) => {
    const rows = shown.filter((one) => groupOf(one) === group).map(rowOf)
    return group + table(['option', '', 'default'], rows)
  })
}

/** A command's section. */
function section(command, name) {
  const operand = (one) => [code(one.name()), told(one.description)]
  const usage = `\`\`\`sh\nnpx spikewasm ${name} ${command.usage()}\n\`\`\``
  return [
    `## ${name}\n\n${usage}\n\n${told(command.description())}\n\n`,
    table(['argument', ''], command.registeredArguments.map(operand)),
    ...optionTables(command),
    ...command.commands.map((one) => section(one, `${name} ${one.name()}`)),
  ].join('')
}

/** What a command line prints in a folder: its last line. */
function printedBy(line, cwd) {
  const args = [join(root, 'bin/spikewasm.js'), ...line.split(' ')]
  const lines = execFileSync(process.execPath, args, { cwd, encoding: 'utf8', stdio: 'pipe' })
  const json = JSON.parse(lines.trimEnd().split('\n').at(-1))
  return `\`spikewasm ${line}\` prints\n\n${jsonBlock(json, 3)}`
}

/** A text with a table of the data sets, and links to it instead of lists of them. */
function withDataSets(text) {
  const isList = /\bdigits [\d.]+(, [\w-]+ [\d.]+)+/g
  const link = '[by data set](#data-sets)'
  const linked = text.replaceAll(cell(describeSources()), link).replaceAll(isList, link)
  const heads = ['data set', '`--data`', 'epochs', 'batch size', 'lr', 'weight decay']
  const rows = Object.entries(datasets).map(([name, { source = 'in the package', defaults }]) => {
    return [code(name), cell(source), ...Object.values(defaults)]
  })
  return `${linked}## Data sets\n\n${table(heads, rows)}`
}

/** The sections of all commands, in whose order a network is trained, and what is shown of it. */
export async function commandSections() {
  const folder = mkdtempSync(join(tmpdir(), 'spikewasm-reference-'))
  const texts = []
  for (const [name, load] of Object.entries(commands)) {
    texts.push(section((await load())(new Command(name)), name))
    for (const line of pages['command-line'].runs)
      if (line.startsWith(`${name} `)) texts.push(printedBy(line, folder))
  }
  rmSync(folder, { recursive: true })
  return withDataSets(texts.join(''))
}
