export * as Database from "./Database.ts"
export * as EmbeddedPostgres from "./EmbeddedPostgres.ts"
export * as Migration from "./Migration.ts"
export * as PostgresRunLog from "./PostgresRunLog.ts"
