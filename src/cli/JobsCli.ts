/**
 * `ostinato jobs`: names, flags and help.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as DurationText from "ostinato/core/DurationText"
import * as InstantText from "ostinato/core/InstantText"
import { JobId } from "ostinato/jobs/Job"
import { configured } from "./Configured.ts"
import * as JobSelection from "./JobSelection.ts"
import * as Output from "./Output.ts"
import * as TimeFlag from "./TimeFlag.ts"

const job = Argument.String("job").pipe(Argument.withSchema(JobId), Argument.withDescription("The id of the job"))

const query = Flag.String("query").pipe(
  Flag.withAlias("q"),
  Flag.withDescription(
    "Only jobs that this filter finds, e.g. \"state:discarded queue:mail payload.user:ada since:2h\""
  ),
  Flag.withDefault("")
)

const page = (most: number, usual: number) =>
  Flag.Int("limit").pipe(
    Flag.filter((limit) => limit >= 1 && limit <= most, (limit) => `${limit} is no number from 1 to ${most}`),
    Flag.withDescription(`At most so many, 1 to ${most}`),
    Flag.withDefault(usual)
  )

const by = {
  actor: Flag.String("actor").pipe(Flag.withDescription("Who wants it, for the record"), Flag.optional),
  reason: Flag.String("reason").pipe(Flag.withDescription("Why, for the record"), Flag.optional)
} as const

const list = Command.make("list", {
  query,
  before: Flag.String("before").pipe(
    Flag.withSchema(JobId),
    Flag.withDescription("Only older jobs than this one: the last id of the page before"),
    Flag.optional
  ),
  limit: page(1000, 50),
  ...Output.flags
}, (wish) => Effect.flatMap(Effect.promise(() => import("./commands/listJobs.ts")), ({ listJobs }) => listJobs(wish)))
  .pipe(Command.withDescription("Jobs, newest first"), Command.provide(configured))

const show = Command.make(
  "show",
  { job, ...Output.flags },
  (wish) => Effect.flatMap(Effect.promise(() => import("./commands/showJob.ts")), ({ showJob }) => showJob(wish))
).pipe(Command.withDescription("One job, with what is kept of it"), Command.provide(configured))

const explain = Command.make(
  "explain",
  { job, ...Output.flags },
  (wish) =>
    Effect.flatMap(Effect.promise(() => import("./commands/explainJob.ts")), ({ explainJob }) => explainJob(wish))
).pipe(Command.withDescription("Why a job does not run, or what became of it"), Command.provide(configured))

const enqueue = Command.make(
  "enqueue",
  {
    task: Argument.String("task").pipe(Argument.withDescription("Name of the task, e.g. insights.sync")),
    input: Flag.String("input").pipe(
      Flag.withDescription("The payload as JSON. Without it the job has what its application is set up for"),
      Flag.optional
    ),
    queue: Flag.String("queue").pipe(Flag.withDescription("Another queue than its own"), Flag.optional),
    priority: Flag.Int("priority").pipe(Flag.withDescription("Lower goes first; 0 is normal"), Flag.optional),
    delay: TimeFlag.make("delay").pipe(
      Flag.withDescription(`How long from now until it is due, e.g. ${DurationText.examples}`),
      Flag.optional
    ),
    at: TimeFlag.instant("at").pipe(
      Flag.withDescription(`When it is due, in UTC unless it says otherwise, e.g. ${InstantText.examples}`),
      Flag.optional
    ),
    tag: Flag.String("tag").pipe(Flag.withDescription("A word to find it by; may come again"), Flag.atLeast(0)),
    ...Output.flags
  },
  (wish) =>
    Effect.flatMap(Effect.promise(() => import("./commands/enqueueJob.ts")), ({ enqueueJob }) => enqueueJob(wish))
)
  .pipe(Command.withDescription("Make a job, for the workers of the service"), Command.provide(configured))

const cancel = Command.make(
  "cancel",
  { ...JobSelection.parameters, ...by, ...Output.flags },
  (wish) =>
    Effect.flatMap(Effect.promise(() => import("./commands/cancelJobs.ts")), ({ cancelJobs }) => cancelJobs(wish))
).pipe(Command.withDescription("End jobs that wait, and stop those that run"), Command.provide(configured))

const retry = Command.make(
  "retry",
  { ...JobSelection.parameters, ...Output.flags },
  (wish) => Effect.flatMap(Effect.promise(() => import("./commands/retryJobs.ts")), ({ retryJobs }) => retryJobs(wish))
).pipe(Command.withDescription("Make jobs due now, also those that have failed for good"), Command.provide(configured))

const redrive = Command.make(
  "redrive",
  {
    ...JobSelection.parameters,
    edit: Flag.String("edit").pipe(
      Flag.withDescription("A JSON merge patch of their payloads; new jobs are made then"),
      Flag.optional
    ),
    rate: Flag.Finite("rate").pipe(
      Flag.filter((rate) => rate >= 0.001, (rate) => `${rate} is no number of jobs in a second`),
      Flag.withDescription("At most so many in a second"),
      Flag.optional
    ),
    ...Output.flags
  },
  (wish) =>
    Effect.flatMap(Effect.promise(() => import("./commands/redriveJobs.ts")), ({ redriveJobs }) => redriveJobs(wish))
)
  .pipe(Command.withDescription("Give discarded jobs another chance"), Command.provide(configured))

const tail = Command.make(
  "tail",
  { query, limit: page(200, 20), ...Output.flags },
  (wish) => Effect.flatMap(Effect.promise(() => import("./commands/tailJobs.ts")), ({ tailJobs }) => tailJobs(wish))
).pipe(Command.withDescription("Jobs as they come and change"), Command.provide(configured))

/** The command with all of its own. */
export const jobs = Command.make("jobs").pipe(
  Command.withDescription("Durable jobs"),
  Command.withSubcommands([list, show, explain, enqueue, cancel, retry, redrive, tail])
)
