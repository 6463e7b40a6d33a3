import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, beforeAll, describe, it } from "vitest"
import { plant, root, run } from "./planted.ts"

const settings: {
  readonly compilerOptions: { readonly plugins: ReadonlyArray<{ readonly diagnosticSeverity: Record<string, string> }> }
} = JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8"))
const severities = settings.compilerOptions.plugins[0]?.diagnosticSeverity ?? {}

const imports = `import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
void [Context, Effect, Layer]
`
const service = (name: string, key: string) =>
  `export class ${name} extends Context.Service<${name}, { readonly n: number }>()("${key}") {}\n`
const gen = (body: string) => `export const go = Effect.gen(function*() {\n  ${body}\n})\n`
const layers = `${service("One", "ostinato/core/FILE/One")}${service("Two", "ostinato/core/FILE/Two")}
const one = Layer.succeed(One, { n: 1 })
const two = Layer.succeed(Two, { n: 2 })
const both = Effect.andThen(One, Two)
`

/** Each diagnostic with a violation and its correct twin. `FILE` stands for the file's own name. */
const cases: Record<string, readonly [bad: string, good: string]> = {
  asyncFunction: [
    `export const go = async () => 1\n`,
    `export const go = () => Promise.resolve(1)\n`
  ],
  deterministicKeys: [service("FILE", "ostinato/Elsewhere"), service("FILE", "ostinato/core/FILE")],
  effectFnOpportunity: [
    `export const go = (n: number) =>\n  Effect.gen(function*() {\n    yield* Effect.log(n)\n    return n\n  })` +
    `.pipe(Effect.withSpan("go"))\n`,
    `export const go = Effect.fn("go")(function*(n: number) {\n  yield* Effect.log(n)\n  return n\n})\n`
  ],
  floatingEffect: [gen(`Effect.log("lost")\n  return yield* Effect.succeed(1)`), gen(`yield* Effect.log("kept")`)],
  globalConsoleInEffect: [gen(`console.log("here")\n  yield* Effect.yieldNow`), gen(`yield* Effect.log("here")`)],
  globalDateInEffect: [gen(`yield* Effect.log(Date.now())`), gen(`yield* Effect.log(0)`)],
  globalFetchInEffect: [
    gen(`return yield* Effect.promise(() => fetch("http://localhost"))`),
    gen(`return yield* Effect.promise(() => Promise.resolve(1))`)
  ],
  globalRandomInEffect: [gen(`yield* Effect.log(Math.random())`), gen(`yield* Effect.log(Math.PI)`)],
  globalTimersInEffect: [
    gen(`setTimeout(() => undefined, 1)\n  yield* Effect.yieldNow`),
    gen(`yield* Effect.sleep("1 millis")`)
  ],
  leakingRequirements: [
    `${service("Two", "ostinato/core/FILE/Two")}export class One extends Context.Service<One, {\n` +
    `  readonly go: Effect.Effect<number, never, Two>\n  readonly stop: Effect.Effect<void, never, Two>\n}>()("ostinato/core/FILE/One") {}\n`,
    `export class One extends Context.Service<One, {\n` +
    `  readonly go: Effect.Effect<number>\n  readonly stop: Effect.Effect<void>\n}>()("ostinato/core/FILE/One") {}\n`
  ],
  missingReturnYieldStar: [
    gen(`if (Math.PI > 3) yield* Effect.fail("no")\n  return yield* Effect.succeed(1)`),
    gen(`if (Math.PI > 3) return yield* Effect.fail("no")\n  return yield* Effect.succeed(1)`)
  ],
  multipleEffectProvide: [
    `${layers}export const go = both.pipe(Effect.provide(one), Effect.provide(two))\n`,
    `${layers}export const go = both.pipe(Effect.provide([one, two]))\n`
  ],
  preferSchemaOverJson: [
    gen(`yield* Effect.log(JSON.parse("1"))`),
    gen(`yield* Effect.log("1")`)
  ],
  processEnvInEffect: [gen(`yield* Effect.log(process.env["HOME"])`), gen(`yield* Effect.log(process.pid)`)],
  strictEffectProvide: [
    `${layers}export const go = both.pipe(Effect.provide(Layer.merge(one, two)))\n`,
    `${layers}export const go = both.pipe(Effect.provideService(One, { n: 1 }))\nexport const layer = Layer.merge(one, two)\n`
  ],
  tryCatchInEffectGen: [
    gen(`try {\n    yield* Effect.log("a")\n  } catch {\n    yield* Effect.log("b")\n  }`),
    gen(`yield* Effect.log("a").pipe(Effect.catchCause(() => Effect.log("b")))`)
  ],
  unnecessaryEffectGen: [gen(`return yield* Effect.succeed(1)`), `export const go = Effect.succeed(1)\n`]
}

interface Diagnostic {
  readonly file: string
  readonly name: string
  readonly severity: string
}

let found: ReadonlyArray<Diagnostic> = []

beforeAll(() => {
  const files = Object.entries(cases).flatMap(([name, [bad, good]]) =>
    [[`Bad${name}`, bad], [`Good${name}`, good]].map(([file = "", code = ""]) =>
      [`src/core/${file}.ts`, imports + code.replaceAll("FILE", file)] as const
    )
  )
  const folder = plant(Object.fromEntries(files), ["tsconfig.json", "package.json"])
  const args = ["diagnostics", "--format", "json", "--project", join(folder, "tsconfig.json")]
  const { status, stdout } = run(folder, "effect-tsgo", ...args)
  found = JSON.parse(stdout).diagnostics
  assert.strictEqual(status, 1)
})

const of = (name: string, file: string) =>
  found.filter((diagnostic) => diagnostic.name === name && diagnostic.file.endsWith(`/${file}.ts`))

describe("Effect diagnostics", () => {
  it("are proven one by one: the table here names what tsconfig.json switches on", () => {
    const on = Object.keys(severities).filter((name) => severities[name] !== "off")
    assert.deepStrictEqual(Object.keys(cases).sort(), on.sort())
  })

  for (const name of Object.keys(cases)) {
    it(`${name} is caught as ${severities[name]}, and its correct twin is not`, () => {
      assert.deepStrictEqual([...new Set(of(name, `Bad${name}`).map(({ severity }) => severity))], [severities[name]])
      assert.deepStrictEqual(of(name, `Good${name}`), [])
    })
  }
})
