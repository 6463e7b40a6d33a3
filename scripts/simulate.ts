/**
 * `npm run simulate -- [--seed N] [--seeds N] [ARGUMENTS OF VITEST]`: the simulations with one seed, with that many seeds, or
 * with as many as each has by itself. Ends as vitest does; 64 for what is no seed.
 */
import { spawnSync } from "node:child_process"

const args = process.argv.slice(2)

const take = (flag: string): Record<string, string> => {
  const at = args.indexOf(flag)
  if (at < 0) return {}
  const [, value = ""] = args.splice(at, 2)
  if (!/^\d{1,9}$/.test(value)) {
    console.error(`${flag} ${value}: give a whole number`)
    process.exit(64)
  }
  return { [flag === "--seed" ? "OSTINATO_SEED" : "OSTINATO_SEEDS"]: value }
}

const env = { ...process.env, ...take("--seeds"), ...take("--seed") }
const filters = args.length === 0 ? ["test/simulation"] : args
const { status } = spawnSync("vitest", [
  "run",
  "--config",
  "test/vitest.config.ts",
  "--testTimeout=3600000",
  ...filters
], {
  env,
  stdio: "inherit"
})
process.exitCode = status ?? 1
