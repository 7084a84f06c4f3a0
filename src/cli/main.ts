#!/usr/bin/env node
/** The command `spikewasm`. */

// Stack traces shall show lines of TypeScript. Node reads the maps of modules that it loads after
// this call, hence the import at run time.
process.setSourceMapsEnabled(true)
void import('./commands.js')
