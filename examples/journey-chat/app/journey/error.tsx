"use client";

// Here too, so that the list of sessions is still shown.
export { default } from "../error";
