/**
 * The command line: names, flags and help. What a command does is in `commands/`, loaded only when it is asked for.
 */
import * as Argument from "effect/cli/Argument"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as QueueList from "ostinato/service/QueueList"
import * as ServiceConfig from "ostinato/service/ServiceConfig"
import { version } from "ostinato/service/version"
import { configured } from "./Configured.ts"
import { jobs } from "./JobsCli.ts"
import { queues } from "./QueuesCli.ts"
import { UsageError } from "./UsageError.ts"

const serve = Command.make(
  "serve",
  {
    role: Flag.Literals("role", ServiceConfig.Role.literals).pipe(
      Flag.withDescription("What this process does of the whole; before OSTINATO_ROLE"),
      Flag.optional
    ),
    queues: Flag.String("queues").pipe(
      Flag.withDescription("The only queues it works on, e.g. sync=2,mail=10; before OSTINATO_QUEUES"),
      Flag.mapTryCatch((text) => Result.getOrThrowWith(QueueList.parse(text), (problem) => problem), String),
      Flag.optional
    )
  },
  (options) => Effect.flatMap(Effect.promise(() => import("./commands/serve.ts")), ({ serve }) => serve(options))
).pipe(
  Command.withDescription("Run the service until a signal asks it to stop"),
  Command.provide(configured)
)

const run = Command.make("run", {
  task: Argument.String("task").pipe(Argument.withDescription("Name of the task, e.g. insights.sync")),
  input: Flag.String("input").pipe(
    Flag.withDescription("The payload as JSON. Without it the task runs with what its application is set up for"),
    Flag.optional
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print the run as one line of JSON"), Flag.withDefault(false))
}, (options) => Effect.flatMap(Effect.promise(() => import("./commands/run.ts")), ({ run }) => run(options))).pipe(
  Command.withDescription("Run a task once, now"),
  Command.provide(configured)
)

const cancel = Command.make(
  "cancel",
  {
    run: Argument.String("run").pipe(Argument.withDescription("The id of the run")),
    actor: Flag.String("actor").pipe(Flag.withDescription("Who wants it, for the record"), Flag.optional),
    reason: Flag.String("reason").pipe(Flag.withDescription("Why, for the record"), Flag.optional)
  },
  (wish) => Effect.flatMap(Effect.promise(() => import("./commands/cancelRun.ts")), ({ cancelRun }) => cancelRun(wish))
)
  .pipe(
    Command.withDescription("Ask a run to stop, on whichever node it is"),
    Command.provide(configured)
  )

const runs = Command.make("runs").pipe(
  Command.withDescription("What ran and runs"),
  Command.withSubcommands([cancel])
)

// what is wrong comes first, and the way to the help after it; help that was asked for goes to stdout
const presenter: CliOutput.Presenter = {
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Console.error([
        ...event.errors.map((error) => `ostinato: ${error.message}`),
        `Run '${event.commandPath.join(" ")} --help' to see what it takes`
      ].join("\n"))
      : CliOutput.defaultPresenter.present(event)
}

/** The program, given its arguments. Fails with `UsageError` where they are wrong; the parser has then said why. */
export const main = Command.make("ostinato").pipe(
  Command.withDescription("Background work for Effect"),
  Command.withSubcommands([serve, run, runs, jobs, queues]),
  Command.run({ version }),
  Effect.provideService(CliOutput.Presenter, presenter),
  Effect.catchTag(
    "ShowHelp",
    (help) => help.errors.length === 0 ? Effect.void : Effect.fail(new UsageError({ detail: "" }))
  )
)
