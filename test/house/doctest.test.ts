import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { examplesOf } from "../../scripts/doctest.ts"
import { plant, root, run } from "./planted.ts"

const fence = "```"
const readme = (...examples: ReadonlyArray<string>) =>
  examples.map((example) => `Text.\n\n${fence}${example}\n${fence}\n`).join("\n")

const doctest = (files: Readonly<Record<string, string>>) => {
  const folder = plant(files, ["tsconfig.json", "package.json"])
  mkdirSync(join(folder, "src"), { recursive: true })
  return run(folder, "node", join(root, "scripts", "doctest.ts"), folder)
}

describe("doctest", () => {
  it("passes examples whose values are the written ones, in READMEs and in JSDoc", () => {
    const { status, stderr, stdout } = doctest({
      "README.md": readme(
        `ts\nimport * as Effect from "effect/Effect"\n\nconst n = await Effect.runPromise(Effect.succeed(2)) // => 2\nn + 1 // => 3`,
        `ts\nconsole.log([\n  1,\n  2\n]) // => [1, 2]`,
        `sh\nnot typescript`
      ),
      "src/core/README.md": readme(`ts\nimport { twice } from "ostinato/core/Twice"\n\ntwice(2) // => 4`),
      "src/core/Twice.ts": `/**\n * Doubles.\n *\n * @example\n * ${fence}ts\n` +
        ` * import * as Effect from "effect/Effect"\n *\n * await Effect.runPromise(Effect.gen(function*() {\n` +
        ` *   yield* Effect.succeed({ a: 1 }) // => { a: 1 }\n * }))\n * ${fence}\n */\n` +
        `export const twice = (n: number): number => n * 2\n`
    })
    assert.deepStrictEqual([stderr, stdout, status], ["", "4 examples, 0 failed\n", 0])
  })

  it("fails an example with a wrong value, a wrong type or an exception, and names file and line of each", () => {
    const { status, stderr, stdout } = doctest({
      "README.md": readme(
        `ts\nconst a = 1\na + 1 // => 3`,
        `ts\nconst a: string = 1`,
        `ts\nconst fail = () => {\n  throw new Error("broken")\n}\nfail()`,
        `ts\n1 + 1 // => 2`
      )
    })
    assert.strictEqual(status, 1)
    assert.match(stdout, /^4 examples, 3 failed$/m)
    assert.match(stderr, /^README\.md:5: .*strictly deep-equal/m)
    assert.match(stderr, /^README\.md:11: TS2322/m)
    assert.match(stderr, /^README\.md:18: broken$/m)
  })

  it("fails an expectation that belongs to no statement", () => {
    const { status, stderr } = doctest({ "README.md": readme(`ts\nexport {}\n// => 3`) })
    assert.strictEqual(status, 1)
    assert.match(stderr, /^README\.md:5: TS/m)
  })

  it("type-checks an example marked no-run and does not run it", () => {
    const stop = "import * as process from \"node:process\"\n\nprocess.exit(3)"
    const right = doctest({ "README.md": readme(`ts no-run\n${stop}`) })
    assert.deepStrictEqual([right.stdout, right.status], ["1 examples, 0 failed\n", 0])
    const wrong = doctest({ "README.md": readme(`ts no-run\nconst a: string = 1`) })
    assert.deepStrictEqual([wrong.stdout, wrong.status], ["1 examples, 1 failed\n", 1])
    const ended = doctest({ "README.md": readme(`ts\n${stop}`, `ts\n1 // => 1`) })
    assert.deepStrictEqual([ended.stdout, ended.status], ["2 examples, 2 failed\n", 1])
  })

  it("finds nothing in a project without examples", () => {
    const { status, stdout } = doctest({ "src/core/Plain.ts": `// ${fence}ts\n// 1 // => 2\n// ${fence}\nexport {}\n` })
    assert.deepStrictEqual([stdout, status], ["0 examples, 0 failed\n", 0])
  })

  it("takes the code of a fence without the indentation of its list", () => {
    const [example] = examplesOf("README.md", `- text\n  ${fence}ts\n  one()\n    two()\n  ${fence}\n`)
    assert.deepStrictEqual([example?.code, example?.line], ["one()\n  two()", 3])
  })
})
