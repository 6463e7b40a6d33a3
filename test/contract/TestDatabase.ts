/** An embedded Postgres of its own for one test file, gone with it. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { Database } from "ostinato/store/Database"
import * as Migration from "ostinato/store/Migration"
import * as Cluster from "../fixtures/once/Cluster.ts"

/** With the tables of these lines. */
export const layer = (...lines: ReadonlyArray<Migration.Line>) =>
  Layer.effectDiscard(Effect.forEach(lines, Migration.run)).pipe(
    Layer.provideMerge(Layer.unwrap(Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const directory = yield* fs.makeTempDirectoryScoped({ prefix: "ostinato-test-" })
      // the server's account has to pass through
      yield* fs.chmod(directory, 0o711)
      yield* Cluster.put(directory)
      return Database.layer({ directory, embedded: { settings: { fsync: "off" } } })
    }))),
    Layer.provideMerge(NodeServices.layer)
  )
