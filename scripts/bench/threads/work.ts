/** What every pool runs: nothing, a millisecond of the processor, and a loop that never ends. */

export const nothing = ({ n }: { readonly n: number }): number => n

export const millisecond = ({ n }: { readonly n: number }): number => {
  const until = performance.now() + 1
  while (performance.now() < until);
  return n
}

export const forever = ({ begun }: { readonly begun: SharedArrayBuffer }): never => {
  const cells = new Int32Array(begun)
  Atomics.store(cells, 0, 1)
  Atomics.notify(cells, 0)
  for (;;);
}
