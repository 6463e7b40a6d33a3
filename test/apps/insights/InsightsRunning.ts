/** Insights on a Postgres of its own, with its routes and without a port. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import * as path from "node:path"
import { Dispatch } from "ostinato"
import { RunLog } from "ostinato/core/RunLog"
import * as Supervisor from "ostinato/core/Supervisor"
import * as JobWorker from "ostinato/jobs/JobWorker"
import * as MemoryJobStore from "ostinato/jobs/stores/Memory"
import * as JobRuns from "ostinato/service/JobRuns"
import * as PostgresRunLog from "ostinato/store/PostgresRunLog"
import { assert } from "vitest"
import { Figures } from "../../../src/apps/insights/Figures.ts"
import * as InsightsHandlers from "../../../src/apps/insights/InsightsHandlers.ts"
import { migrations } from "../../../src/apps/insights/migrations.ts"
import { SyncInsights, SyncInsightsLive } from "../../../src/apps/insights/SyncInsights.ts"
import * as SyncJobs from "../../../src/apps/insights/SyncJobs.ts"
import { SyncOnDemand } from "../../../src/apps/insights/SyncOnDemand.ts"
import { MirrorDirectory } from "../../../src/apps/insights/SyncRepositories.ts"
import * as TestDatabase from "../../contract/TestDatabase.ts"
import * as GitFixture from "../../fixtures/git/GitFixture.ts"

/** Answers requests to the routes. */
class Routes extends Context.Service<Routes, (request: Request) => Promise<Response>>()(
  "ostinato/test/apps/insights/InsightsRunning/Routes"
) {}

const RoutesLive = Layer.effect(
  Routes,
  Effect.gen(function*() {
    const context = yield* Effect.context<Figures | SyncOnDemand>()
    const routes = InsightsHandlers.layer.pipe(
      Layer.provide([HttpApiMiddleware.layerProblemDetails({ includeDetails: true }), Layer.succeedContext(context)]),
      Layer.provide(NodeHttpServer.layerHttpServices)
    )
    const { dispose, handler } = HttpRouter.toWebHandler(routes, { disableLogger: true })
    yield* Effect.addFinalizer(() => Effect.promise(dispose))
    return (request: Request) => handler(request)
  })
)

const Mirrors = Layer.effect(
  MirrorDirectory,
  Effect.gen(function*() {
    const files = yield* FileSystem.FileSystem
    return path.join(yield* files.makeTempDirectoryScoped({ prefix: "mirrors-" }), "below")
  })
)

/** Everything. */
export const layer = RoutesLive.pipe(
  Layer.provideMerge(SyncOnDemand.layer(["/"])),
  Layer.provideMerge(JobWorker.layer({ queues: SyncJobs.queues(["/"]), tasks: [SyncInsights] })),
  Layer.provideMerge(SyncInsightsLive),
  Layer.provideMerge(Figures.layer),
  Layer.provideMerge(Mirrors),
  Layer.provideMerge(JobRuns.layer.pipe(Layer.provide(PostgresRunLog.layer({ exclusive: true })))),
  Layer.provideMerge(MemoryJobStore.layer),
  Layer.provideMerge([Supervisor.layer, Logger.layer([])]),
  Layer.provideMerge(TestDatabase.layer(PostgresRunLog.migrations, migrations))
)

/** One run to its end: its value or error, its record and its details. */
export const sync = Effect.fnUntraced(function*(...repository: ReadonlyArray<string>) {
  const log = yield* RunLog
  const ref = yield* Dispatch.here(SyncInsights, { repository }, { kind: "code" })
  const result = yield* Effect.result(ref.await)
  const run = yield* log.get(ref.id)
  const details = yield* log.details(ref.id)
  return {
    id: ref.id,
    result,
    run: run ?? assert.fail("no run"),
    stages: (details?.stages ?? []).map(({ skipped, stage, status }) => [stage, status, skipped?.by ?? null])
  }
})

/** The answer of a route below `/api/v1/insights`. */
export const ask = Effect.fnUntraced(function*(asked: string, method = "GET") {
  const routes = yield* Routes
  const request = new Request(`http://localhost/api/v1/insights${asked}`, { method })
  const response = yield* Effect.promise(() => routes(request))
  return {
    status: response.status,
    type: response.headers.get("content-type") ?? "",
    body: yield* Effect.promise(() => response.text())
  }
})

/** A body that is to have this form. */
export const decoded = Effect.fnUntraced(function*<S extends Schema.Codec<unknown, unknown>>(asked: string, form: S) {
  const { body, status } = yield* ask(asked)
  assert.strictEqual(status, 200, body)
  return yield* Schema.decodeEffect(Schema.fromJsonString(Schema.toCodecJson(form)))(body)
})

/** The items of a list. */
export const listed = <S extends Schema.Codec<unknown, unknown>>(asked: string, item: S) =>
  Effect.map(decoded(asked, Schema.Struct({ items: Schema.Array(item) })), ({ items }) => items)

/** A directory with clones of these names: the first with one commit, the second with two, and so on. */
export const clones = Effect.fnUntraced(function*(names: ReadonlyArray<string>) {
  const root = yield* GitFixture.directory
  for (const [index, name] of names.entries()) {
    const at = path.join(root, name)
    fs.mkdirSync(at)
    GitFixture.gitBytes(at, ["init", "--quiet", "--initial-branch", "main"])
    const fixture = GitFixture.at(at)
    for (let commit = 0; commit <= index; commit++) {
      fixture.write(`file${commit}.go`, "line\n".repeat(commit + 1))
      fixture.commit(`commit ${commit}`, { name: commit === 0 ? "Ada" : name, email: `${commit}@example.org` })
    }
    fixture.git("tag", "v1")
  }
  return root
})
