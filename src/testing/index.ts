export * as ReplayCommand from "./ReplayCommand.ts"
export * as SeededScheduler from "./SeededScheduler.ts"
export * as SimulatedClock from "./SimulatedClock.ts"
export * as Simulation from "./Simulation.ts"
