/** `Model` as a page exports it: only a page that imports the class can ask it for `fromBytes`. */

import * as model from '../model.js'
import { registerExtras } from '../train/extras.js'
import { loadModel } from './load.js'

function withFiles(): typeof model.Model {
  registerExtras({ fromBytes: loadModel })
  return model.Model
}

export const Model = withFiles()
