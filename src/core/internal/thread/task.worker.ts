/** The first file of a thread or of a child process of a pool. */
import { parentPort, threadId, workerData } from "node:worker_threads"
import type { Order, Reply, Seed } from "./protocol.ts"
import { serve } from "./serve.ts"

const now = () => performance.now()
const ready: Reply = [0, "ready", null, 0]

if (parentPort === null) {
  // the pool is gone: nothing that runs here has a reader any more
  process.once("disconnect", () => process.exit())
  process.once("message", (seed: Seed) => {
    const post = (reply: Reply) => void process.send?.(reply)
    const take = serve({ post, now }, { ...seed, threadId })
    process.on("message", (order: Order) => take(order))
    post(ready)
  })
} else {
  const port = parentPort
  const take = serve({ post: (reply, transfer) => port.postMessage(reply, transfer), now }, { ...workerData, threadId })
  port.on("message", take)
  port.postMessage(ready)
}
