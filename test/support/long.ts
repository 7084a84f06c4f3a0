/** How much is tested: what a change needs, or all of it (`npm test -- --long`). */

/** Whether all cases run. */
export const isLong = process.env.SPIKEWASM_TEST_LONG === '1'

/** The first that is asked for in every run, or the second where all cases run. */
export const ofLong = <T>(few: T, all: T): T => (isLong ? all : few)
