/**
 * `ostinato queues`: names, flags and help.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as DurationText from "ostinato/core/DurationText"
import { configured } from "./Configured.ts"
import * as Output from "./Output.ts"
import * as TimeFlag from "./TimeFlag.ts"

const queue = Argument.String("queue").pipe(Argument.withDescription("Name of the queue"))

const list = Command.make(
  "list",
  Output.flags,
  (wish) =>
    Effect.flatMap(Effect.promise(() => import("./commands/listQueues.ts")), ({ listQueues }) => listQueues(wish))
).pipe(Command.withDescription("Every queue with its jobs by state"), Command.provide(configured))

const show = Command.make(
  "show",
  { queue, ...Output.flags },
  (wish) => Effect.flatMap(Effect.promise(() => import("./commands/showQueue.ts")), ({ showQueue }) => showQueue(wish))
).pipe(Command.withDescription("One queue with its settings"), Command.provide(configured))

const pausing = (name: string, paused: boolean, description: string) =>
  Command.make(name, { queue, ...Output.flags }, (wish) =>
    Effect.flatMap(
      Effect.promise(() => import("./commands/pauseQueue.ts")),
      ({ pauseQueue }) => pauseQueue({ ...wish, paused })
    )).pipe(Command.withDescription(description), Command.provide(configured))

const drain = Command.make(
  "drain",
  {
    queue,
    timeout: TimeFlag.make("timeout").pipe(
      Flag.withDescription(`How long to wait, e.g. ${DurationText.examples}`),
      Flag.withDefault(Duration.minutes(5))
    ),
    ...Output.flags
  },
  (wish) =>
    Effect.flatMap(Effect.promise(() => import("./commands/drainQueue.ts")), ({ drainQueue }) => drainQueue(wish))
)
  .pipe(
    Command.withDescription("Pause a queue, and wait until nothing of it runs any more"),
    Command.provide(configured)
  )

const limit = Command.make(
  "limit",
  {
    queue,
    concurrency: Flag.Int("concurrency").pipe(
      Flag.filter((permits) => permits >= 1, (permits) => `${permits} is no number of jobs: write 1 or more`),
      Flag.withDescription("How many run at once, on all nodes together"),
      Flag.optional
    ),
    rate: Flag.String("rate").pipe(Flag.withDescription("How many start in a time, e.g. 10/second"), Flag.optional),
    none: Flag.Boolean("none").pipe(Flag.withDescription("Take its limit away"), Flag.withDefault(false)),
    ...Output.flags
  },
  (wish) =>
    Effect.flatMap(Effect.promise(() => import("./commands/limitQueue.ts")), ({ limitQueue }) => limitQueue(wish))
)
  .pipe(
    Command.withDescription("How many jobs of a queue run at once, and start in a time"),
    Command.provide(configured)
  )

const remove = Command.make(
  "remove",
  {
    name: Argument.String("name").pipe(Argument.withDescription("Name of the queue, or with --limit of the limit")),
    limit: Flag.Boolean("limit").pipe(
      Flag.withDescription("Remove the limit of that name, which nothing may use any more"),
      Flag.withDefault(false)
    ),
    ...Output.flags
  },
  (wish) =>
    Effect.flatMap(Effect.promise(() => import("./commands/removeQueue.ts")), ({ removeQueue }) => removeQueue(wish))
)
  .pipe(
    Command.withDescription("Forget a queue that holds no job and that no worker serves, or a limit"),
    Command.provide(configured)
  )

/** The command with all of its own. */
export const queues = Command.make("queues").pipe(
  Command.withDescription("Queues of durable jobs"),
  Command.withSubcommands([
    list,
    show,
    pausing("pause", true, "Let no job of a queue start, on any node"),
    pausing("resume", false, "Let the jobs of a paused queue start again"),
    drain,
    limit,
    remove
  ])
)
