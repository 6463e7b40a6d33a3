/**
 * A response whose body is sent as it comes: watched, so that its end is known and that it can be cut off.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

/** The rest of an answer is not sent any more. The client sees that the connection breaks off. */
class CutOff extends Schema.TaggedError<CutOff>()("CutOff", {}) {
  override get message() {
    return "the request was ended before all of its answer was sent"
  }
}

export const watched = (response: HttpServerResponse.HttpServerResponse, on: {
  /** Takes what cuts the stream off. */
  readonly halted: (halt: () => void) => void
  /** The stream has ended; the response ends with this. */
  readonly ended: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
}): HttpServerResponse.HttpServerResponse => {
  const { body } = response
  if (body._tag !== "Stream") return response
  const halted = Effect.callback<never, CutOff>((resume) => on.halted(() => resume(Effect.fail(new CutOff()))))
  const stream = body.stream.pipe(Stream.interruptWhen(halted), Stream.onExit((exit) => on.ended(exit)))
  return HttpServerResponse.setBody(response, HttpBody.stream(stream, body.contentType, body.contentLength))
}
