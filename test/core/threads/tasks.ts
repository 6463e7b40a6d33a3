import * as Schema from "effect/Schema"
import * as Transferable from "effect/workers/Transferable"
import { SharedState, ThreadTask } from "ostinato"

const module = new URL("./code.ts", import.meta.url)
const effects = new URL("./effects.ts", import.meta.url)
const gate = Schema.instanceOf(SharedArrayBuffer)

export class Refused extends Schema.TaggedError<Refused>()("Refused", { why: Schema.String }) {}

export const Where = ThreadTask.make("test.where", {
  module,
  export: "where",
  success: Schema.Struct({ isMainThread: Schema.Boolean, threadId: Schema.Int, pid: Schema.Int })
})

export const Double = ThreadTask.make("test.double", {
  module,
  export: "double",
  payload: { n: Schema.Int },
  success: Schema.Int
})

export const Environment = ThreadTask.make("test.environment", {
  module,
  export: "environment",
  success: Schema.Array(Schema.String)
})

export const Hash = ThreadTask.make("test.hash", {
  module,
  export: "hash",
  payload: { text: Schema.String },
  success: Schema.Struct({ digest: Schema.String, threadId: Schema.Int })
})

export const meet = (name: string) =>
  ThreadTask.make(name, {
    module,
    export: "meet",
    payload: { gate, together: Schema.Int },
    success: Schema.Struct({
      from: Schema.BigInt,
      to: Schema.BigInt,
      cpuMicros: Schema.Finite,
      threadId: Schema.Int,
      isMainThread: Schema.Boolean
    })
  })
export const Meet = meet("test.meet")

export const Hold = ThreadTask.make("test.hold", { module, export: "hold", payload: { gate }, success: Schema.Int })
export const Spin = ThreadTask.make("test.spin", { module, export: "spin", payload: { gate } })
export const Fickle = ThreadTask.make("test.fickle", {
  module,
  export: "fickle",
  payload: { gate, isEndless: Schema.Boolean },
  success: Schema.Int
})
export const Announce = ThreadTask.make("test.announce", { module, export: "announce" })
export const Leave = ThreadTask.make("test.leave", { module, export: "leave", payload: { gate } })
export const Forever = ThreadTask.make("test.forever", { module, export: "forever" })
export const Listen = ThreadTask.make("test.listen", { module, export: "listen", payload: { gate } })
export const Look = ThreadTask.make("test.look", { module, export: "look", payload: { gate } })
export const Effectful = ThreadTask.make("test.effectful", { module: effects, export: "effectful", payload: { gate } })

export const End = ThreadTask.make("test.end", {
  module,
  export: "end",
  payload: {
    how: Schema.Literals(["exit", "reject", "throw later", "memory", "defect", "declared", "result", "unfit"])
  },
  success: Schema.String,
  error: Refused
})

export const Doubled = ThreadTask.make("test.doubled", {
  module: effects,
  export: "effect",
  payload: { n: Schema.Int },
  success: Schema.Int,
  error: Refused
})

export const Mutate = ThreadTask.make("test.mutate", {
  module,
  export: "mutate",
  success: Schema.Struct({ seen: Schema.Json, tried: Schema.Array(Schema.String), after: Schema.Json })
})

export const Bytes = ThreadTask.make("test.bytes", {
  module,
  export: "bytes",
  payload: { buffer: Transferable.Uint8Array },
  success: Schema.Uint8Array
})

export const Increment = ThreadTask.make("test.increment", {
  module: effects,
  export: "increment",
  payload: {
    gate,
    state: SharedState.SharedState,
    naive: Schema.instanceOf(SharedArrayBuffer),
    times: Schema.Int
  }
})

/** Shared memory that tells the test that code has begun, and lets it end. */
export const makeGate = () => {
  const buffer = new SharedArrayBuffer(8)
  const cells = new Int32Array(buffer)
  const reached = async (cell: number, value: number) => {
    for (let now = Atomics.load(cells, cell); now < value; now = Atomics.load(cells, cell)) {
      const waiting = Atomics.waitAsync(cells, cell, now)
      if (waiting.async) await waiting.value
    }
  }
  return {
    buffer,
    begun: (count: number) => reached(0, count),
    ended: () => reached(1, 1),
    open: () => {
      Atomics.store(cells, 1, 1)
      Atomics.notify(cells, 1)
    },
    isOpen: () => Atomics.load(cells, 1) === 1
  }
}

/** For what the compiler is to refuse. */
export const declare = <P extends Schema.Struct.Fields>(
  options: Pick<Parameters<typeof ThreadTask.make<P>>[1], "payload">
) => ThreadTask.make<P>("test.declared", { module, ...options })
