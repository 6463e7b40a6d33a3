/** The first file of a thread or of a child process of a pool. */
import { parentPort, threadId, Worker, workerData } from "node:worker_threads"
import type { Order, Reply, Seed } from "./protocol.ts"
import { serve } from "./serve.ts"

const now = () => performance.now()
const ready: ReadonlyArray<Reply> = [[0, "ready", null, 0]]

if (parentPort === null) {
  // the pool is gone: nothing that runs here has a reader any more
  process.once("disconnect", () => process.exit())
  // a loop that never ends does not hear of it, so a thread looks whether the parent is still the same
  new Worker(
    `const { workerData } = require("node:worker_threads")
     setInterval(() => process.ppid === workerData || process.kill(process.pid, "SIGKILL"), 500)`,
    { eval: true, execArgv: [], workerData: process.ppid }
  ).unref()
  process.once("message", (seed: Seed) => {
    const post = (replies: ReadonlyArray<Reply>) => void process.send?.(replies)
    const { take } = serve({ post, now }, { ...seed, threadId })
    process.on("message", (order: Order) => take(order))
    post(ready)
  })
} else {
  const port = parentPort
  const { flush, take } = serve({
    post: (replies, transfer) => port.postMessage(replies, transfer),
    now
  }, { ...workerData, threadId })
  process.once("exit", flush)
  port.on("message", take)
  port.postMessage(ready)
}
