"use client";

// Beside the list of sessions, which may be shown all the same.
export { default } from "../error";
