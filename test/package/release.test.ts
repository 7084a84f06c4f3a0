/**
 * What a release needs: versions that agree, placeholders that are listed, a citation whose fields
 * are those of its format, and a script that puts pages where they belong.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parse } from 'yaml'
import { withFolder } from '../files/temporary.js'
import { testUnless } from '../support/runner.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const manifest = JSON.parse(read('package.json')) as Record<string, string> & {
  repository: { url: string }
}
const { filesWithPlaceholders, problemsOf } = (await import(
  pathToFileURL(join(root, 'tools/release.mjs')).href
)) as {
  filesWithPlaceholders(root?: string): string[]
  problemsOf(root?: string, tag?: string): string[]
}

test('files name one version', () => assert.equal(problemsOf(), []))

test('placeholders are in the files that CONTRIBUTING lists, or filled in everywhere', () => {
  const [, list] = /^Files: (.*?)\.$/ms.exec(read('CONTRIBUTING.md')) ?? []
  const listed = [...list.matchAll(/`([^`]+)`/g)].map(([, path]) => path).sort()
  const found = filesWithPlaceholders()
  if (found.length > 0) assert.equal(found, listed)
  for (const file of listed) assert.ok(existsSync(join(root, file)), file)
})

test('with the account filled in, what is too large for the package comes from its releases', () =>
  withFolder(async (folder) => {
    // The built file, where nothing of this package is in its way.
    const files = ['package.json', 'build/src/base/version.js', 'build/src/model/models/table.js']
    for (const path of files) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), read(path).replaceAll('OWNER', 'someone'))
    }
    const { href } = pathToFileURL(join(folder, 'build/src/model/models/table.js'))
    const { isPublished, releaseOf } = await import(href)
    assert.is(isPublished, true)
    assert.is(
      releaseOf('cifar10-cnn'),
      `https://github.com/someone/spikewasm/releases/download/v${manifest.version}/cifar10-cnn.safetensors`,
    )
  }))

/** A small repository of the files that name a version. */
const good: Readonly<Record<string, string>> = {
  'package.json': '{ "version": "1.2.0" }',
  'CITATION.cff': 'title: x\nversion: 1.2.0\n',
  'src/base/version.ts': "export const VERSION = '1.2.0'",
  'CHANGELOG.md': '# Changelog\n\n## [1.2.0] - 2026-01-01\n\n## [1.1.0] - 2025-01-01\n',
  'docs/web.md': "import { lif } from 'https://example.org/npm/spikewasm@1.2.0/page.js'",
  'tools/release.mjs': 'OWNER is a word here',
  'node_modules/a/README.md': 'OWNER',
}
const planted: readonly (readonly [file: string, text: string, tag: string, problem: RegExp])[] = [
  ['README.md', 'x', 'v1.2.0', /^$/],
  ['README.md', 'x', 'v1.2.1', /^the tag is v1\.2\.1, the version 1\.2\.0$/],
  ['README.md', 'x', '1.2.0', /^the tag is 1\.2\.0/],
  [
    'CITATION.cff',
    'version: 1.1.0\n',
    'v1.2.0',
    /^CITATION\.cff names version 1\.1\.0, .* 1\.2\.0$/,
  ],
  ['src/base/version.ts', "VERSION = '1.1.0'", 'v1.2.0', /^src\/base\/version\.ts names/],
  ['docs/web.md', 'npm/spikewasm@1.1.0/page.js', 'v1.2.0', /^docs\/web\.md names version 1\.1\.0/],
  ['CHANGELOG.md', '## [Unreleased]\n\n## [1.2.0]', 'v1.2.0', /^CHANGELOG\.md names .*Unreleased/],
  ['CHANGELOG.md', '## [1.2.0] - unreleased\n', 'v1.2.0', /^CHANGELOG\.md has no date at its top$/],
  ['docs/a/b.md', 'https://github.com/OWNER/x', 'v1.2.0', /^docs\/a\/b\.md has placeholders/],
]
for (const [file, text, tag, problem] of planted)
  test(`a release ${tag} of ${file}: ${JSON.stringify(text)}`, () =>
    withFolder(async (folder) => {
      for (const [path, content] of Object.entries({ ...good, [file]: text })) {
        await mkdir(dirname(join(folder, path)), { recursive: true })
        await writeFile(join(folder, path), content)
      }
      assert.match(problemsOf(folder, tag).join('\n'), problem)
    }))

test('package.json tells npm where the project is', () => {
  const { homepage, bugs, author, repository } = manifest
  const [, owner] =
    /^git\+https:\/\/github\.com\/([\w-]+)\/spikewasm\.git$/.exec(repository.url) ?? []
  assert.ok(owner, repository.url)
  assert.is(homepage, `https://${owner}.github.io/spikewasm/`)
  assert.is(bugs, `https://github.com/${owner}/spikewasm/issues`)
  assert.ok(author.length > 0)
})

/** Fields of the Citation File Format 1.2.0, and which of them it asks for. */
const fields = {
  file:
    'cff-version* message* title* authors* abstract commit contact date-released doi identifiers ' +
    'keywords license license-url preferred-citation references repository repository-artifact ' +
    'repository-code type url version',
  person:
    'address affiliation alias city country email family-names fax given-names name-particle ' +
    'name-suffix orcid post-code region tel website',
  reference:
    'type* title* authors* abstract collection-title conference date-published doi edition editors ' +
    'institution isbn issn issue journal license month notes number pages publisher repository-code ' +
    'section start status url version volume year',
}

/** Fields that are not of the format, and those that it asks for and are not there. */
function faultsOf(value: object, known: string): string[] {
  const names = known.split(' ')
  const strange = Object.keys(value).filter(
    (name) => !names.some((text) => /^[\w-]+/.exec(text)![0] === name),
  )
  const asked = names.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1))
  return [...strange, ...asked.filter((name) => !(name in value)).map((name) => `no ${name}`)]
}

test('CITATION.cff has the fields of its format', () => {
  type People = { authors: object[]; type: string; title: string }
  const citation = parse(read('CITATION.cff')) as Record<string, unknown> &
    People & { references: People[] }
  assert.equal(faultsOf(citation, fields.file), [])
  assert.is(citation['cff-version'], '1.2.0')
  assert.is(citation.type, 'software')
  assert.is(citation.license, manifest.license)
  assert.is(citation.version, manifest.version)
  assert.is(citation.url, manifest.homepage)
  assert.is(`git+${citation['repository-code']}.git`, manifest.repository.url)
  for (const reference of citation.references) {
    assert.equal(faultsOf(reference, fields.reference), [])
    assert.is(reference.type, 'conference-paper')
  }
  for (const { authors } of [citation, ...citation.references]) {
    assert.ok(authors.length > 0)
    for (const author of authors) assert.equal(faultsOf(author, fields.person), [])
  }
  const { title, ...rest } = citation
  assert.equal(faultsOf({ ...rest, titel: title }, fields.file), ['titel', 'no title'])
})

test('the top of CHANGELOG is a release of at most 60 lines', () => {
  const [, top] = read('CHANGELOG.md').split(/^## /m)
  assert.match(top, /^\[\d+\.\d+\.\d+\] - (\d{4}-\d\d-\d\d|unreleased)\n/)
  assert.ok(top.trimEnd().split('\n').length <= 60)
  for (const part of ['What you can do', 'Numbers', 'Breaking changes', 'Known limits'])
    assert.ok(top.includes(`\n### ${part}\n`), part)
})

const noShell = process.platform === 'win32' ? 'there is no bash on Windows' : ''
testUnless(noShell)("pages of main and of releases take each other's place nowhere", () =>
  withFolder(async (folder) => {
    const git = (where: string, ...args: string[]): string =>
      execFileSync('git', ['-C', join(folder, where), ...args], { encoding: 'utf8' })
    for (const name of ['origin', 'clone', 'site']) await mkdir(join(folder, name))
    git('origin', 'init', '-q', '--bare')
    git('clone', 'init', '-q')
    git('clone', 'remote', 'add', 'origin', join(folder, 'origin'))
    const publish = async (part: string, files: Readonly<Record<string, string>>) => {
      for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
      const script = join(root, '.github/publish-site.sh')
      execFileSync('bash', [script, join(folder, 'site'), part], { cwd: join(folder, 'clone') })
      const names = git('origin', 'ls-tree', '-r', '--name-only', 'gh-pages').trim().split('\n')
      const show = (name: string) => git('origin', 'show', `gh-pages:${name}`)
      return Object.fromEntries(names.map((name) => [name, show(name)]))
    }
    const first = await publish('next/', { 'site/index.html': 'main 1', 'site/_a.js': '1' })
    assert.match(first['index.html'], /url=next\//)
    assert.is(first['next/index.html'], 'main 1')
    const release = await publish('', { 'site/index.html': 'release', 'site/gone.html': 'old' })
    assert.equal([release['index.html'], release['next/index.html']], ['release', 'main 1'])
    const later = await publish('next/', { 'site/index.html': 'main 2' })
    assert.equal([later['index.html'], later['next/index.html']], ['release', 'main 2'])
    assert.is(later['gone.html'], 'old')
    await writeFile(join(folder, 'site/gone.html'), '')
    execFileSync('rm', [join(folder, 'site/gone.html')])
    const last = await publish('', { 'site/index.html': 'release 2' })
    assert.equal(Object.keys(last).sort(), [
      ...['.nojekyll', '_a.js', 'index.html', 'next/_a.js', 'next/gone.html', 'next/index.html'],
    ])
    assert.is(git('origin', 'rev-list', '--count', 'gh-pages').trim(), '1')
    assert.equal(readdirSync(join(folder, 'clone')), ['.git'])
  }),
)

/** GitHub's command, whose releases are folders. */
const gh = `#!/usr/bin/env bash
cd "$RELEASES"
case $2 in
  view) test -d "$3" ;;
  create) mkdir "$3" ;;
  list) ls -r ;;
  download) cp "$3/$5" "$7" ;;
  upload) cp "$4" "$3" ;;
esac
`
testUnless(noShell)('a release gets the trained networks of the table, from the one before', () =>
  withFolder(async (folder) => {
    const at = (path: string) => join(folder, path)
    const sum = createHash('sha256').update('weights').digest('hex')
    const table = read('src/model/models/table.ts').replace(/('cifar10-cnn': ')\w+/, `$1${sum}`)
    for (const path of ['.github', 'src/model/models', 'bin', 'releases/v0.9.0'])
      await mkdir(at(path), { recursive: true })
    await writeFile(at('.github/attach.sh'), read('.github/attach-models.sh'))
    await writeFile(at('src/model/models/table.ts'), table)
    await writeFile(at('bin/gh'), gh, { mode: 0o755 })
    const PATH = `${at('bin')}:${process.env.PATH}`
    const env = { ...process.env, PATH, RELEASES: at('releases'), GITHUB_REPOSITORY: 'a/b' }
    const attach = (tag: string) => {
      const args = [at('.github/attach.sh'), tag]
      const { status, stdout, stderr } = spawnSync('bash', args, { env, encoding: 'utf8' })
      return [status, stdout, stderr]
    }
    const file = 'cifar10-cnn.safetensors'
    const missing =
      `::error::no release has ${file} with SHA-256 ${sum}: make it (CONTRIBUTING.md, Publish), ` +
      `call gh release upload v0.9.0 ${file}, and run this job again\n`
    assert.equal(attach('v0.9.0'), [1, missing, ''])
    await writeFile(at(`releases/v0.9.0/${file}`), 'of another training')
    assert.equal(attach('v0.9.0'), [1, missing, ''])
    await writeFile(at(`releases/v0.9.0/${file}`), 'weights')
    assert.equal(attach('v0.9.0'), [0, `v0.9.0 has ${file}\n`, ''])
    assert.equal(attach('v1.0.0'), [0, `v1.0.0 has ${file} from v0.9.0\n`, ''])
    assert.is(await readFile(at(`releases/v1.0.0/${file}`), 'utf8'), 'weights')
  }),
)

test.run()
