/**
 * Serves the built page of an application at `/`, with headers that let it load nothing but its own files.
 *
 * Files below `/assets` carry their hash in their name and may be kept for ever; the page itself is asked for anew.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpStaticServer from "effect/http/HttpStaticServer"
import * as Layer from "effect/Layer"

const headers = {
  "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
    "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin"
}

/**
 * Sets the security headers of every answer.
 *
 * @category layers
 */
export const layerSecurityHeaders = HttpRouter.middleware(
  (response) => Effect.map(response, HttpServerResponse.setHeaders(headers)),
  { global: true }
)

/**
 * @category layers
 */
export const layer = (directory: string) =>
  Layer.mergeAll(
    HttpStaticServer.layer({
      root: `${directory}/assets`,
      prefix: "/assets",
      cacheControl: "public, max-age=31536000, immutable"
    }),
    HttpStaticServer.layer({ root: directory, cacheControl: "no-cache" })
  )
