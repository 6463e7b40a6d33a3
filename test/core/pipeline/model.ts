/**
 * A pipeline as a pure function: random graphs of stages that succeed, fail or break after a while, and what a run of
 * them comes to.
 */
export type Policy = "stop" | "skip" | "continue"

export interface ModelStage {
  readonly name: string
  readonly parents: ReadonlyArray<{ readonly name: string; readonly policy: Policy }>
  readonly ends: "well" | "failing" | "broken"
  /** Milliseconds. */
  readonly takes: number
  readonly isWanted: boolean
}

export interface ModelPipeline {
  readonly stages: ReadonlyArray<ModelStage>
  readonly mode: "failFast" | "collect"
  readonly concurrency: number | undefined
}

/** Numbers below 1 that a seed repeats. */
export const random = (seed: number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** At most 12 stages, written in any order. No two ends fall on the same instant but by the longest of odds. */
export const generate = (seed: number): ModelPipeline => {
  const next = random(seed)
  const below = (n: number) => Math.floor(next() * n)
  const pick = <A>(values: ReadonlyArray<A>): A => values[below(values.length)]!
  const size = 1 + below(12)
  const density = next()
  const troubled = next() * 0.4
  const stages = Array.from({ length: size }, (_, index): ModelStage => ({
    name: `s${index}`,
    parents: Array.from({ length: index }, (_, parent) => parent).filter(() => next() < density * 0.5).map((
      parent
    ) => ({
      name: `s${parent}`,
      policy: pick(["stop", "stop", "skip", "continue"] as const)
    })),
    ends: next() < troubled ? pick(["failing", "failing", "broken"] as const) : "well",
    takes: 1 + below(1 << 20),
    isWanted: next() > 0.1
  }))
  return {
    stages: stages.map((stage) => ({ stage, at: next() })).sort((a, b) => a.at - b.at).map(({ stage }) => stage),
    mode: pick(["failFast", "collect"] as const),
    concurrency: pick([undefined, undefined, 1, 2, 3])
  }
}

export type Outcome = "completed" | "failed" | "dependency" | "condition" | "interrupted" | "stop"

export interface Expected {
  readonly outcome: Outcome
  /** When it started or decided not to, and ended, in milliseconds; only without a bound on concurrency. */
  readonly start: number
  readonly end: number
  /** What it gives, told by everything that it saw. */
  readonly value: string
}

const policiesAfter = (name: string, stages: ReadonlyArray<ModelStage>) =>
  stages.flatMap(({ parents }) => parents.filter((parent) => parent.name === name).map(({ policy }) => policy))

/** Whether its failure ends the pipeline. */
export const isFatal = ({ ends, name }: ModelStage, { stages }: ModelPipeline) => {
  const policies = policiesAfter(name, stages)
  return ends !== "well" && (policies.length === 0 || policies.includes("stop"))
}

export const ancestors = (name: string, stages: ReadonlyArray<ModelStage>): ReadonlyArray<string> => {
  const parents = stages.find((stage) => stage.name === name)?.parents ?? []
  return Array.from(new Set(parents.flatMap((parent) => [parent.name, ...ancestors(parent.name, stages)]))).sort()
}

/** Stages that have succeeded whenever this one has, itself among them. */
const sure = (name: string, stages: ReadonlyArray<ModelStage>): ReadonlyArray<string> => [
  name,
  ...stages.find((stage) => stage.name === name)!.parents.flatMap((parent) =>
    parent.policy === "continue" ? [] : sure(parent.name, stages)
  )
]

/** By name. */
export const sorted = <A>(named: ReadonlyArray<readonly [string, A]>) => [...named].sort(([a], [b]) => a < b ? -1 : 1)

/** What a stage gives that sees these; a `?` marks what it sees as a `Result`. */
export const valueOf = (name: string, seen: ReadonlyArray<readonly [string, string]>) =>
  `${name}(${
    sorted(seen).map(([other, value]) => `${other}=${value.length > 40 ? `#${hash(value)}` : value}`).join(",")
  })`

const hash = (text: string) => {
  let h = 0
  for (const char of text) h = Math.imul(h, 31) + char.charCodeAt(0) | 0
  return h
}

/** What becomes of every stage if nothing stops the pipeline. */
const interpreted = (pipeline: ModelPipeline): ReadonlyMap<string, Expected> => {
  const { stages } = pipeline
  const done = new Map<string, Expected>()
  const visit = (name: string): Expected => {
    const known = done.get(name)
    if (known !== undefined) return known
    const stage = stages.find((stage) => stage.name === name)!
    const parents = stage.parents.map((parent) => ({ ...parent, ...visit(parent.name) }))
    const start = Math.max(0, ...parents.map(({ end }) => end))
    const isHeld = parents.some(({ outcome, policy }) => outcome !== "completed" && policy !== "continue")
    const outcome = isHeld
      ? "dependency"
      : !stage.isWanted
      ? "condition"
      : stage.ends === "well"
      ? "completed"
      : "failed"
    const runs = outcome === "completed" || outcome === "failed"
    const seen = ancestors(name, stages).map((other): readonly [string, string] => [
      sure(name, stages).includes(other) ? other : `${other}?`,
      visit(other).value
    ])
    const value = outcome === "completed" ? valueOf(name, seen) : outcome === "failed" ? "failed" : "skipped"
    const expected = { outcome, start, end: runs ? start + stage.takes : start, value } as const
    done.set(name, expected)
    return expected
  }
  stages.forEach(({ name }) => visit(name))
  return done
}

/** What a run comes to. The instant of the first fatal failure is given where it stops the others. */
export const interpret = (pipeline: ModelPipeline) => {
  const free = interpreted(pipeline)
  const failures = pipeline.stages.filter((stage) =>
    isFatal(stage, pipeline) && free.get(stage.name)?.outcome === "failed"
  )
  const fatal = failures.map(({ name }) => name)
  if (pipeline.mode === "collect" || fatal.length === 0) return { stages: free, fatal, stoppedAt: Infinity }
  const stoppedAt = Math.min(...fatal.map((name) => free.get(name)!.end))
  const first = fatal.find((name) => free.get(name)!.end === stoppedAt)
  const stages = new Map(Array.from(free, ([name, stage]): [string, Expected] => {
    if (stage.end < stoppedAt || name === first) return [name, stage]
    if (stage.start < stoppedAt) return [name, { ...stage, outcome: "interrupted" }]
    return [name, { ...stage, outcome: ancestors(name, pipeline.stages).includes(first!) ? "dependency" : "stop" }]
  }))
  return { stages, fatal: [first!], stoppedAt }
}
