export { type ErrorResponseOptions, errorCode, errorResponse } from "./ai-sdk/error-response.js";
export { fromAiSdk4 } from "./ai-sdk/from-ai-sdk-4.js";
export { interruption, markInterrupted } from "./ai-sdk/interruption.js";
export { hasContent } from "./ai-sdk/parts.js";
export type { NodeRequest } from "./ai-sdk/request-body.js";
export { type StartTurnOptions, startTurn, type Turn, type TurnResponse } from "./ai-sdk/start-turn.js";
export { titleOf } from "./ai-sdk/title.js";
export { type TurnRequest, turnRequest } from "./ai-sdk/turn-request.js";
export { type Chat, type Turns, turnsOf } from "./ai-sdk/turns.js";
