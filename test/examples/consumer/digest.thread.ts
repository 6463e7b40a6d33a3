/** What runs on the other thread. */
import { createHash } from "node:crypto"
import type { ThreadTask } from "ostinato"
import type { DigestOnThread } from "./handlers.ts"

export const digest: ThreadTask.Code<typeof DigestOnThread> = ({ text }) =>
  createHash("sha256").update(text).digest("hex")
