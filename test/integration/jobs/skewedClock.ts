/** Preloaded into a process and its threads: the wall clock is off by `SKEW_MS`, the monotonic one is as it is. */
const skew = Number(process.env["SKEW_MS"] ?? 0)

globalThis.Date = new Proxy(Date, {
  construct: (real, args: Array<unknown>, self): Date =>
    Reflect.construct(real, args.length === 0 ? [real.now() + skew] : args, self),
  get: (real, name, self): unknown => name === "now" ? () => real.now() + skew : Reflect.get(real, name, self)
})
