/** Which faults come when: the same for the same seed. How the system meets them is never the same twice. */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"

/** One fault, `afterMs` after the one before it was dealt. */
export type Fault =
  & { readonly afterMs: number }
  & (
    | { readonly kind: "kill"; readonly node: number; readonly downMs: number }
    | { readonly kind: "pause"; readonly node: number; readonly forMs: number }
    | { readonly kind: "restart"; readonly how: "fast" | "immediate"; readonly downMs: number }
  )

/** The faults of a seed: of eight, five kill a node, one pauses one, two restart the database. */
export const faults = (seed: number, nodes: number, count: number): ReadonlyArray<Fault> =>
  Effect.runSync(
    Random.withSeed(Effect.forEach(Array.from({ length: count }, () => undefined), () => fault(nodes)), seed)
  )

const fault = (nodes: number): Effect.Effect<Fault> =>
  Effect.gen(function*() {
    const afterMs = yield* Random.nextIntBetween(300, 2500)
    const kind = yield* Random.nextIntBetween(0, 8, { halfOpen: true })
    const node = yield* Random.nextIntBetween(0, nodes, { halfOpen: true })
    if (kind < 5) return { afterMs, kind: "kill", node, downMs: yield* Random.nextIntBetween(0, 1500) }
    if (kind < 6) return { afterMs, kind: "pause", node, forMs: yield* Random.nextIntBetween(500, 3000) }
    return {
      afterMs,
      kind: "restart",
      how: (yield* Random.nextBoolean) ? "fast" : "immediate",
      downMs: yield* Random.nextIntBetween(0, 2500)
    }
  })
