/** In the place of peers.ts where the other libraries are not installed. */
export function measurePeer(): never {
  throw new Error('this page was built without other libraries: npm run page -- --bench --peers')
}
