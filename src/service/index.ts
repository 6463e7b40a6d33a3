export * as AdminApi from "./AdminApi.ts"
export * as AppModule from "./AppModule.ts"
export * as Service from "./Service.ts"
export * as ServiceConfig from "./ServiceConfig.ts"
