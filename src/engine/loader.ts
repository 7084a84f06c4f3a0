/** `@assemblyscript/loader`, as the build bundles it. */
export { instantiateSync } from './vendor/loader/index.js'
