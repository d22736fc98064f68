/** An interpreter of packetdrill scripts that drives the host stack on a virtual clock. */
export { ScriptFailure, ScriptSyntaxError } from './errors.ts';
export { parseScript } from './parser.ts';
export { type Personality, type PersonalityName, personalities } from './personality.ts';
export { type ReplayProblem, type RunOptions, runScript, type ScriptProblem, type ScriptResult } from './run.ts';
export type { ScriptOption } from './script.ts';
