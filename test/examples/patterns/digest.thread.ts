/** What runs on the other thread: plain code that holds its thread while it computes. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import type { ThreadTask } from "ostinato"
import type { DigestOnThread } from "./threads.ts"

export const digest: ThreadTask.Code<typeof DigestOnThread> = ({ file, folder }) =>
  createHash("sha256").update(readFileSync(join(folder, file))).digest("hex")
