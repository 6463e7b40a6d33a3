/**
 * What every driver of the job store promises, as tests: run it against a driver of your own. Needs `@effect/vitest`.
 */
import { layer as withLayer } from "@effect/vitest"
import type * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { JobStore, Member } from "../../jobs/JobStore.ts"
import { controlFacts } from "../internal/jobStore/controlFacts.ts"
import { enqueueFacts } from "../internal/jobStore/enqueueFacts.ts"
import { graphFacts } from "../internal/jobStore/graphFacts.ts"
import type { Fact } from "../internal/jobStore/lane.ts"
import { limitFacts } from "../internal/jobStore/limitFacts.ts"
import { queryFacts } from "../internal/jobStore/queryFacts.ts"
import { rescueFacts } from "../internal/jobStore/rescueFacts.ts"
import { standbyFacts } from "../internal/jobStore/standbyFacts.ts"
import { uniqueFacts } from "../internal/jobStore/uniqueFacts.ts"
import { workFacts } from "../internal/jobStore/workFacts.ts"

/**
 * Adds the tests of one driver to the file that calls this. They run by the real clock, in queues of their own, and may
 * share the store with others who do not prune.
 *
 * @category suites
 */
export const jobStoreSuite = <R>(
  driver: string,
  layer: Layer.Layer<JobStore | R, unknown>,
  options?: {
    /**
     * Makes the lease of a member run out at once, as if its process had died 30 seconds ago; members that joined before
     * may die with it. What is promised about dead workers is tested only where it is given.
     */
    readonly expire?: ((member: Member) => Effect.Effect<void, unknown, JobStore | R>) | undefined
  }
) =>
  withLayer(layer, { excludeTestServices: true })(`JobStore on ${driver}`, (it) => {
    const fact: Fact<R> = (name, test) => it.effect(name, () => test)
    enqueueFacts(fact)
    workFacts(fact)
    standbyFacts(fact)
    uniqueFacts(fact)
    limitFacts(fact)
    graphFacts(fact)
    controlFacts(fact)
    queryFacts(fact)
    if (options?.expire !== undefined) rescueFacts(fact, options.expire)
  })
