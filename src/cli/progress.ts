import cliProgress, { type Options } from "cli-progress";

export interface Progress {
  /** @param done of the total, from 0 */
  to(done: number): void;
  end(): void;
}

/** Milliseconds between two lines if stderr is not a terminal. */
const LINE_EVERY = 2000;

/** A bar on a terminal, otherwise a line every two seconds; on stderr, since stdout is for results. */
export function showProgress(doing: string, total: number, unit: string): Progress {
  const isTerminal = process.stderr.isTTY === true;
  const figures = `{value} of {total} ${unit}`;
  const options: Options = {
    format: isTerminal
      ? `${doing} {bar} {percentage} % ${figures}, {eta_formatted} left`
      : `${doing}: ${figures}`,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 24,
    stream: process.stderr,
    noTTYOutput: true,
    notTTYSchedule: LINE_EVERY,
    // Otherwise it ends with an empty line.
    clearOnComplete: !isTerminal,
    // Its handlers would keep Ctrl-C from ending the command.
    gracefulExit: false,
    linewrap: true,
  };
  const bar = new cliProgress.SingleBar(options);
  bar.start(total, 0);
  const to = (done: number) => {
    // The total may be an estimate that is too low.
    if (done > bar.getTotal()) bar.setTotal(done);
    bar.update(done);
  };
  return { to, end: () => bar.stop() };
}
