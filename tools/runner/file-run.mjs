// What is known of a test file that has begun: what runs in it now, and how its tests ended.

export class FileRun {
  passed = 0
  processor = 0
  /** What failed and why: a test by name, the file, or a count of tests. */
  failures = []
  skips = []
  #planned = 0
  #skipped = 0
  #begun = performance.now()
  #end
  #test
  /** What runs now, in words, if it is no test. */
  #now = ' while it loads'

  constructor(source) {
    this.source = source
  }

  get failed() {
    return this.failures.reduce((sum, { count = 1 }) => sum + count, 0)
  }

  get seconds() {
    return ((this.#end ?? performance.now()) - this.#begun) / 1000
  }

  /** Takes over what the process tells (child.mjs). */
  take(event) {
    const { kind, name } = event
    if (kind === 'tests') this.#planned += event.count
    else if (kind === 'processor') this.processor += event.seconds
    else if (kind === 'broken') this.failures.push({ why: event.why })
    else if (kind === 'at') this.#now = ` in ${event.what}`
    else if (kind === 'skip') this.skips.push({ name: name ?? this.#test, reason: event.reason })
    else if (kind === 'begin') {
      this.#test = name
      this.#now = ''
    } else if (kind === 'pass' || kind === 'fail') {
      // A test that left out a part tested less than its name says.
      if (kind === 'fail') this.failures.push({ name, why: event.why })
      else if (this.skips.some((skip) => skip.name === name)) this.#skipped++
      else this.passed++
      this.#test = undefined
      this.#now = ' behind its tests'
    }
  }

  /** Something went wrong with what runs now. @param others whether files before may be to blame */
  fail(why, others) {
    const company = others && !this.#test ? ', in one process with other files' : ''
    this.failures.push({ name: this.#test, why: `${why}${this.#now}${company}` })
  }

  /** No other event comes. @param mayBeEmpty whether none of its tests may be wanted */
  close(mayBeEmpty) {
    this.#end = performance.now()
    if (this.#planned + this.skips.length === 0 && !mayBeEmpty && this.failures.length === 0)
      this.failures.push({ why: 'has no test' })
    const named = this.failures.filter(({ name }) => name !== undefined).length
    const count = this.#planned - this.passed - this.#skipped - named
    if (count > 0) this.failures.push({ why: `${count} of its tests did not run`, count })
  }
}
