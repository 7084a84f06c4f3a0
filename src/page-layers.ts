/**
 * `spikewasm/layers`: with it a page has all kinds of layers, those of networks from files and what
 * options may ask for. Elsewhere they are always there.
 */

import { useAll } from './model/page.js'

useAll()
