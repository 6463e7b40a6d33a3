/**
 * The stages of a pipeline as a graph: checked, and in an order in which each comes after those that it waits for.
 */
import type * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Executor } from "../../Executor.ts"
import { PipelineInvalid } from "../../PipelineError.ts"
import type { Storable, Task } from "../../Task.ts"
import type { OnParentFailure, Policy } from "./typed.ts"

/** A stage as it was written. What its functions are given is matched where it is defined. */
export interface Definition<out R> {
  readonly name: string
  readonly task: Task<string, Storable, Storable, Storable, R>
  /** Absent: the stage written before it. */
  readonly after: ReadonlyArray<string> | undefined
  readonly onParentFailure: Policy
  readonly input: (inputs: never) => unknown
  readonly when: ((inputs: never) => boolean | Effect.Effect<boolean>) | undefined
  readonly executor: Executor | undefined
}

interface Placed<out R> extends Definition<R> {
  readonly after: ReadonlyArray<string>
}

/** A stage with what its place in the graph means. */
export interface Planned<out R> extends Placed<R> {
  readonly parents: ReadonlyArray<Parent>
  /** Stages that have ended before it starts. */
  readonly before: ReadonlySet<string>
  /** Itself and the stages that have succeeded whenever it has. */
  readonly sure: ReadonlySet<string>
  /** It may be skipped while the pipeline goes on. */
  readonly isOptional: boolean
  /** The pipeline goes on when it fails. */
  readonly isTolerated: boolean
}

interface Parent {
  readonly name: string
  readonly onFailure: OnParentFailure
}

export const make = <R>(
  pipeline: string,
  written: ReadonlyArray<Definition<R>>
): Result.Result<ReadonlyArray<Planned<R>>, PipelineInvalid> => {
  const definitions = written.map((definition, at): Placed<R> => ({
    ...definition,
    after: definition.after ?? written.slice(Math.max(0, at - 1), at).map(({ name }) => name)
  }))
  const byName = new Map(definitions.map((definition) => [definition.name, definition]))
  const invalid = (problem: PipelineInvalid["problem"], ...path: ReadonlyArray<string>) =>
    Result.fail(new PipelineInvalid({ pipeline, problem, path }))
  for (const definition of definitions) {
    const { after, name, onParentFailure } = definition
    if (name === "payload") return invalid("reserved", name)
    if (byName.get(name) !== definition) return invalid("duplicate", name)
    const named = typeof onParentFailure === "string" ? after : [...after, ...Object.keys(onParentFailure)]
    const unknown = named.find((parent) => !byName.has(parent))
    if (unknown !== undefined) return invalid("unknown", name, unknown)
  }
  const ordered = order(byName)
  return "cycle" in ordered ? invalid("cycle", ...ordered.cycle) : Result.succeed(planned(ordered.stages))
}

/** Parents first; or a way from a stage back to itself. */
const order = <R>(
  byName: ReadonlyMap<string, Placed<R>>
): { readonly stages: ReadonlyArray<Placed<R>> } | { readonly cycle: ReadonlyArray<string> } => {
  const done = new Set<Placed<R>>()
  const way: Array<string> = []
  const visit = (name: string): ReadonlyArray<string> | undefined => {
    const definition = byName.get(name)
    if (definition === undefined || done.has(definition)) return undefined
    const met = way.indexOf(name)
    // read along the edges, so each stage is followed by one that comes after it
    if (met >= 0) return [...way.slice(met), name].reverse()
    way.push(name)
    for (const parent of definition.after) {
      const cycle = visit(parent)
      if (cycle !== undefined) return cycle
    }
    way.pop()
    done.add(definition)
    return undefined
  }
  for (const name of byName.keys()) {
    const cycle = visit(name)
    if (cycle !== undefined) return { cycle }
  }
  return { stages: Array.from(done) }
}

const planned = <R>(definitions: ReadonlyArray<Placed<R>>): ReadonlyArray<Planned<R>> => {
  const edges = new Map<string, Array<OnParentFailure>>()
  const stages = new Map<string, Planned<R>>()
  for (const definition of definitions) {
    const { after, name, onParentFailure, when } = definition
    const parents = after.map((parent): Parent => ({
      name: parent,
      onFailure: typeof onParentFailure === "string" ? onParentFailure : onParentFailure[parent] ?? "stop"
    }))
    const before = new Set(after)
    const sure = new Set([name])
    for (const parent of parents) {
      edges.set(parent.name, [...edges.get(parent.name) ?? [], parent.onFailure])
      stages.get(parent.name)?.before.forEach((earlier) => before.add(earlier))
      if (parent.onFailure !== "continue") stages.get(parent.name)?.sure.forEach((earlier) => sure.add(earlier))
    }
    const isOptional = when !== undefined ||
      parents.some((parent) =>
        parent.onFailure === "skip" || parent.onFailure === "stop" && stages.get(parent.name)?.isOptional === true
      )
    stages.set(name, { ...definition, parents, before, sure, isOptional, isTolerated: false })
  }
  return Array.from(stages.values(), (stage) => {
    const onFailure = edges.get(stage.name) ?? []
    return { ...stage, isTolerated: onFailure.length > 0 && !onFailure.includes("stop") }
  })
}
