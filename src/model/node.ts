/**
 * Registers all that works in Node, and in Bun and Deno, which have its modules. The entries for
 * Node import it first.
 */

import { nodePlatform } from '../engine/node/platform.js'
import { registerPlatform } from '../engine/platform.js'
import { useAllLayers } from '../nn/layers/all.js'
import { registerExtras } from '../train/registered.js'

useAllLayers()

registerPlatform({
  ...nodePlatform,
  files: {
    async read(path, what) {
      const { readFileClear } = await import('../files/files.js')
      const { expectNoModule } = await import('../files/state.js')
      return expectNoModule(await readFileClear(path, what), path)
    },
    async readModel(path) {
      const { kindOfPath } = await import('../files/files.js')
      if ((await kindOfPath(path)) !== 'folder') return this.read(path, 'the model')
      const { readRunFile } = await import('../files/folder/read.js')
      const { runFiles } = await import('../train/callbacks/run-files.js')
      return readRunFile(path, runFiles.weights)
    },
    write: async (path, bytes) => (await import('../files/files.js')).writeFileAtomic(path, bytes),
  },
})

registerExtras({
  readAhead: async (...of) => (await import('../train/read-ahead.js')).readAhead(...of),
  resume: () => import('../train/resume.js'),
  fromBytes: async (...of) => (await import('./load.js')).loadModel(...of),
  standardError: () => process.stderr,
  progressBar: async () => (await import('cli-progress')).SingleBar,
  saveNir: async (...of) => (await import('../files/nir/from-model.js')).saveNir(...of),
  saveCheckpoint: async (...of) =>
    (await import('../train/callbacks/model-checkpoint.js')).saveCheckpoint(...of),
  loadCheckpoint: async (...of) =>
    (await import('../train/callbacks/model-checkpoint.js')).loadCheckpoint(...of),
})
