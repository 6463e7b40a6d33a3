/**
 * The version of this package, as its manifest says.
 */
import manifest from "../../package.json" with { type: "json" }

/** @category constants */
export const version: string = manifest.version
