/** What the five patterns share: the same job, done in five ways. */
import type * as Effect from "effect/Effect"
import type * as Tracer from "effect/Tracer"

/** The files of the job. The result is the SHA-256 of the list that `sha256sum` prints for them. */
export interface Job {
  readonly folder: string
  readonly files: ReadonlyArray<string>
}

/** One way to do the job. */
export interface Pattern {
  readonly name: string
  /** Begin of the name of the spans that show where it ran. */
  readonly shownBy: string
  /** What tells one place from another. */
  readonly where: (span: Tracer.Span) => unknown
  /** What the places are. */
  readonly places: string
  readonly run: (job: Job) => Effect.Effect<string, { readonly message: string }>
}
