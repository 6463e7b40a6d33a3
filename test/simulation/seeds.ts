/** A simulation as a test: its name is that of the property, so that the command which it prints finds it. */
import { it } from "@effect/vitest"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { relative } from "node:path"
import { Simulation } from "ostinato/testing"

export type Property = Effect.Effect<unknown, unknown, Simulation.Simulation | Scope.Scope>

export const command = "npx vitest run --config test/vitest.config.ts"

export const simulated = (name: string, property: Property, seeds: number) =>
  it.effect(name, ({ task }) => {
    const file = relative(process.cwd(), task.file.filepath)
    return Simulation.check(name, property, { seeds, command, file })
  }, process.env["OSTINATO_SEEDS"] === undefined ? 120_000 : 3_600_000)
