// One line per test, and an exit code.

/** Runs `run` and says how it went. */
export async function test(name, run) {
  try {
    await run();
    console.log(`ok      ${name}`);
  } catch (error) {
    process.exitCode = 1;
    console.log(`FAILED  ${name}: ${error}`);
    console.error(error);
  }
}
