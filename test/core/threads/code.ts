/** What the tests run on threads. A gate is shared memory: cell 0 counts those that have begun, cell 1 lets them end. */
import { createHash } from "node:crypto"
import { writeSync } from "node:fs"
import { isMainThread, threadId } from "node:worker_threads"
import type { ThreadTask } from "ostinato"
import type * as tasks from "./tasks.ts"

export const where: ThreadTask.Code<typeof tasks.Where> = () => ({ isMainThread, threadId, pid: process.pid })

export const environment: ThreadTask.Code<typeof tasks.Environment> = () => Object.keys(process.env)

export const double: ThreadTask.Code<typeof tasks.Double> = ({ n }) => n * 2

const begin = (gate: SharedArrayBuffer) => {
  const cells = new Int32Array(gate)
  Atomics.add(cells, 0, 1)
  Atomics.notify(cells, 0)
  return cells
}

/** Works on the processor until as many as `together` have begun. */
export const meet: ThreadTask.Code<typeof tasks.Meet> = ({ gate, together }) => {
  const from = process.hrtime.bigint()
  const cpu = process.threadCpuUsage()
  const cells = begin(gate)
  while (Atomics.load(cells, 0) < together || process.threadCpuUsage(cpu).user === 0);
  return { from, to: process.hrtime.bigint(), cpuMicros: process.threadCpuUsage(cpu).user, threadId, isMainThread }
}

export const hash: ThreadTask.Code<typeof tasks.Hash> = ({ text }) => ({
  digest: createHash("sha256").update(text.repeat(1000)).digest("hex"),
  threadId
})

/** Holds its thread until the gate opens. */
export const hold: ThreadTask.Code<typeof tasks.Hold> = ({ gate }) => {
  const cells = begin(gate)
  Atomics.wait(cells, 1, 0)
  return threadId
}

export const spin: ThreadTask.Code<typeof tasks.Spin> = ({ gate }) => {
  begin(gate)
  for (;;);
}

export const forever: ThreadTask.Code<typeof tasks.Forever> = () => {
  for (;;);
}

/** Short, but for one time. */
export const fickle: ThreadTask.Code<typeof tasks.Fickle> = ({ gate, isEndless }) => {
  begin(gate)
  if (isEndless) { for (;;); }
  return 1
}

/** Says which process it is, and never ends. */
export const announce: ThreadTask.Code<typeof tasks.Announce> = () => {
  writeSync(1, `spinning ${process.pid}\n`)
  for (;;);
}

/** Ends, and leaves its thread in a loop. */
export const leave: ThreadTask.Code<typeof tasks.Leave> = ({ gate }) => {
  setTimeout(() => {
    begin(gate)
    for (;;);
  })
}

/** Waits with its event loop free, and says what it was told. */
export const listen: ThreadTask.Code<typeof tasks.Listen> = ({ gate }, { signal }) => {
  const cells = begin(gate)
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => {
      Atomics.store(cells, 1, 1)
      Atomics.notify(cells, 1)
      resolve()
    })
    setInterval(() => {}, 1000)
  })
}

/** A loop that looks whether it is to stop. */
export const look: ThreadTask.Code<typeof tasks.Listen> = ({ gate }, { isStopped }) => {
  const cells = begin(gate)
  while (!isStopped());
  Atomics.store(cells, 1, 1)
  Atomics.notify(cells, 1)
}

export const end: ThreadTask.Code<typeof tasks.End> = async ({ how }) => {
  switch (how) {
    case "exit":
      return process.exit(3)
    case "reject":
      void Promise.reject(new Error("nobody waits for this"))
      return new Promise(() => {})
    case "throw later":
      queueMicrotask(() => {
        throw new Error("nobody catches this")
      })
      return new Promise(() => {})
    case "memory": {
      const held: Array<unknown> = []
      for (;;) held.push(Array.from({ length: 1000 }, (_, index) => ({ index })))
    }
    case "defect":
      throw new TypeError("a bug")
    case "declared":
      throw { _tag: "Refused", why: "not today" }
    case "result":
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the compiler would refuse
      return { deep: [1, () => 2] } as unknown as string
    case "unfit":
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the compiler would refuse
      return 7 as unknown as string
  }
}

/** Tries to change its configuration. */
export const mutate: ThreadTask.Code<typeof tasks.Mutate> = (_, { config }) => {
  const seen = structuredClone(config)
  const attempt = (change: () => void) => {
    try {
      change()
      return "changed"
    } catch (error) {
      return error instanceof Error ? error.name : "?"
    }
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the compiler would refuse
  const open = config as { limits: { size: number }; tags: Array<string> }
  return {
    seen,
    tried: [
      attempt(() => {
        open.limits.size = 0
      }),
      attempt(() => open.tags.push("more"))
    ],
    after: config
  }
}

/** The length of a buffer that moved here, and the buffer back. */
export const bytes: ThreadTask.Code<typeof tasks.Bytes> = ({ buffer }, { transfer }) => {
  buffer[0] = 42
  transfer(buffer.buffer)
  return buffer
}
