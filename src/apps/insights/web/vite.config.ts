/** Builds the page: `vite build src/apps/insights/web`. Every script and style is a file of its own, for a strict CSP. */
import { defineConfig } from "vite"

export default defineConfig({
  base: "./",
  build: {
    outDir: "../../../../dist/web/insights",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: false,
    // the first browsers with light-dark(), so that it reaches them as written
    target: ["es2023", "chrome123", "firefox120", "safari17.5"]
  }
})
