/** The steps of the job: the digest of one file, the list of all, the digest of the list. */
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"

/** SHA-256 of a file, in hexadecimal digits. Its span says which fiber did it. */
export const ofFile = (folder: string, file: string): Effect.Effect<string> =>
  Effect.withFiber((fiber) =>
    Effect.promise(async (signal) => {
      const hash = createHash("sha256")
      await pipeline(createReadStream(join(folder, file)), hash, { signal })
      return hash.digest("hex")
    }).pipe(Effect.withSpan("digest", { attributes: { file, fiber: fiber.id } }))
  )

/** What `sha256sum` prints for these files. */
export const list = (files: ReadonlyArray<string>, digests: ReadonlyArray<string>): string =>
  files.map((file, i) => `${digests[i]}  ${file}\n`).join("")

/** SHA-256 of a text, in hexadecimal digits. */
export const ofText = (text: string): string => createHash("sha256").update(text).digest("hex")
