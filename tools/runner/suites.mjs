// Sees the tests of uvu's suites before they run, selects those that are wanted, and tells when
// each begins and ends.

/**
 * Loads a file and hands over each suite when the file calls its `run`. uvu has no hook for that,
 * but binds a copy of the suite to its runner then.
 */
export async function loadWatched(load, onSuite) {
  const { bind } = Function.prototype
  Function.prototype.bind = function (self, ...bound) {
    if (this.name === 'runner' && Array.isArray(bound[0]?.tests)) onSuite(bound[0])
    return bind.call(this, self, ...bound)
  }
  try {
    await load()
  } finally {
    Function.prototype.bind = bind
  }
}

/** Has the runner told that a test began, and how it ended. */
const watchedTest = (name, handler, tell) => async (state) => {
  tell({ kind: 'begin', name })
  try {
    await handler(state)
    tell({ kind: 'pass', name })
  } catch (error) {
    tell({ kind: 'fail', name, why: String(error?.stack ?? error) })
    throw error
  }
}

/** A hook whose error is shown: uvu takes it for that of no test, and drops it. */
const watchedHook = (name, hook, tell) => async (state) => {
  tell({ kind: 'at', what: `its hook "${name}"` })
  try {
    await hook(state)
  } catch (error) {
    console.error(error)
    if (name === 'before') tell({ kind: 'broken', why: `its hook "before" failed: ${error}` })
    throw error
  }
}

/** Leaves what is wanted in a suite, and has its tests and hooks watched. */
export function watchSuite(suite, wanted, tell) {
  const all = suite.only.length > 0 ? suite.only : suite.tests
  const tests = all.filter(({ name }) => wanted.test(name))
  const left = all === suite.only ? suite.tests.filter(({ name }) => wanted.test(name)) : []
  for (const { name } of left) tell({ kind: 'skip', name, reason: 'another test has .only' })
  for (let i = 0; i < suite.skips; i++) tell({ kind: 'skip', reason: '.skip without a reason' })
  tell({ kind: 'tests', count: tests.length })
  suite.only = []
  suite.tests = tests.map(({ name, handler }) => ({
    name,
    handler: watchedTest(name, handler, tell),
  }))
  // Nothing is prepared for tests that do not run. What the file has made before is removed.
  const ofNone = (hook) => async (state) => {
    try {
      await hook(state)
    } catch {}
  }
  if (tests.length === 0) [suite.before, suite.after] = [[], suite.after.map(ofNone)]
  for (const name of ['before', 'after'])
    suite[name] = suite[name].map((hook) => watchedHook(name, hook, tell))
}
