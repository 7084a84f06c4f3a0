/** What `--help` shows: a first page with the options that most people need, or all of them. */

import { Help, type HelpConfiguration } from 'commander'
import { present, SpecOption } from './spec.js'

/** Flags that ask for help. */
const flags = ['-h', '--help']

/** Whether an argument asks which commands there are. */
export const asksForHelp = (arg: string): boolean => [...flags, 'help'].includes(arg)

/** Whether `--help all` or `help <command> all` stands among the arguments. */
const asksForAll = (args: readonly string[]): boolean =>
  args.some((arg, i) => flags.includes(arg) && args[i + 1] === 'all') ||
  (args[0] === 'help' && args[2] === 'all')

/** Characters of a text and of a default that the first page has whole. */
const MOST_TEXT = 72
const MOST_DEFAULT = 32

/** Options that a command may have without a first page. */
const FEW = 20

/** What an option is, up to where a long text goes into details, what it takes, and its default. */
function brief({ spec: { text, names, shown, preset, usual } }: SpecOption): string {
  const value = `${shown ?? preset ?? usual ?? ''}`
  const isTold = value !== 'false' && value !== '' && value.length <= MOST_DEFAULT
  const details = present([names?.join(', '), isTold && `default: ${value}`]).join('; ')
  const what = text.length > MOST_TEXT ? text.split(/[:;] /)[0] : text
  return details === '' ? what : `${what} (${details})`
}

/** How commander writes the help that a command line asks for. */
export const helpFor = (args: readonly string[]): HelpConfiguration => ({
  formatHelp(command, helper) {
    const { formatHelp } = Help.prototype
    const all = helper.visibleOptions(command)
    const first = all.filter((option) => !(option instanceof SpecOption && option.spec.rare))
    if (asksForAll(args) || all.length <= FEW || first.length === all.length)
      return formatHelp.call(helper, command, helper)
    const page: Help = Object.assign(Object.create(helper), {
      visibleOptions: () => first,
      optionDescription: (option) =>
        option instanceof SpecOption ? brief(option) : helper.optionDescription(option),
    } satisfies HelpConfiguration)
    const line = `spikewasm ${command.name()} --help all shows all ${all.length} options.`
    return `${formatHelp.call(page, command, page)}\n${line}\n`
  },
})
