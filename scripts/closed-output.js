/** A reader that goes away early, as `head` does, ends the output and not the program. */
for (const output of [process.stdout, process.stderr]) {
  output.on("error", (error) => {
    if (error.code !== "EPIPE") throw error;
  });
}
