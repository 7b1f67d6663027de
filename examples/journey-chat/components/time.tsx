"use client";
import { useSyncExternalStore } from "react";

const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

const never = () => () => {};
const useIsInBrowser = () =>
  useSyncExternalStore(
    never,
    () => true,
    () => false,
  );

/** A time in the reader's time zone and language, which the server does not know. */
export function Time({ at }: { at: string }) {
  const shown = useIsInBrowser();
  if (!shown) return <time dateTime={at}>&nbsp;</time>;
  const date = new Date(at);
  const isToday = date.toDateString() === new Date().toDateString();
  return <time dateTime={at}>{(isToday ? CLOCK : DAY).format(date)}</time>;
}
