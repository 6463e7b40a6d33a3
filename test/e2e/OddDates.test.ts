import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Point, RepositoryFigures } from "../../src/apps/insights/InsightsApi.ts"
import * as GitFixture from "../fixtures/git/GitFixture.ts"
import * as ServiceProcess from "./ServiceProcess.ts"

const list = <A, I>(item: Schema.Codec<A, I>) => Schema.Struct({ items: Schema.Array(item) })

layer(NodeServices.layer, { excludeTestServices: true })("odd dates", (it) => {
  it.effect("commits of 1970 and of the year 10000 hide no repository; days are too many for one answer, weeks are not", () =>
    Effect.gen(function*() {
      const { commit, root } = yield* GitFixture.repository("odd")
      commit("first", { date: "@0 -0800" })
      commit("last", { date: "@253402300800 +0000" })
      const service = yield* ServiceProcess.serve({ data: yield* ServiceProcess.dataDirectory, repository: root })
      yield* service.line("run completed")
      const url = `${service.url}/api/v1/insights/repositories`
      const { items: [repository] } = yield* ServiceProcess.getJson(url, list(RepositoryFigures))
      assert.deepInclude(repository, { commits: 2, firstDay: "1970-01-01" })
      const series = `${url}/${repository?.id}/series?metric=commits`
      const refused = yield* ServiceProcess.get(`${series}&bucket=day`)
      assert.strictEqual(refused.status, 422)
      assert.match(refused.headers["content-type"] ?? "", /^application\/problem\+json/)
      assert.include(refused.body, "ask for it by week")
      const weeks = (yield* ServiceProcess.getJson(`${series}&bucket=week`, list(Point))).items
      assert.strictEqual(weeks.reduce((sum, { value }) => sum + value, 0), 2)
      assert.isFalse(service.stderr().some((line) => line.includes(`"level":"ERROR"`)))
    }))
})
