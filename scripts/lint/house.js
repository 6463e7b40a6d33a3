/**
 * The project's own lint rules, loaded by oxlint through `jsPlugins`. Plain JavaScript, because oxlint may be started
 * by an older Node. Every rule is proven on a planted violation and on a correct twin in `test/house`.
 */
import {
  noClockBypass,
  noIgnoredResult,
  noIsRetryable,
  noMutex,
  noUnboundedQueue,
  noUnsupervisedFork
} from "./effects.js"
import { floors } from "./floors.js"
import { noSyncIo } from "./syncIo.js"

export default {
  meta: { name: "house" },
  rules: {
    "floors": floors,
    "no-clock-bypass": noClockBypass,
    "no-ignored-result": noIgnoredResult,
    "no-is-retryable": noIsRetryable,
    "no-mutex": noMutex,
    "no-sync-io": noSyncIo,
    "no-unbounded-queue": noUnboundedQueue,
    "no-unsupervised-fork": noUnsupervisedFork
  }
}
