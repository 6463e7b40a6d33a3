/** Holds its thread for a time: what decoding or hashing does. */
import type { ThreadTask } from "../../../src/index.ts"
import type { Spin } from "./burn.ts"

export const spin: ThreadTask.Code<typeof Spin> = ({ ms }) => {
  const end = performance.now() + ms
  let rounds = 0
  while (performance.now() < end) rounds += 1
  return rounds
}
