/** Runs a command without the rights of root, which no permission stops. */
const DROP_ROOT = `
  if (process.getuid() === 0) { process.setgroups([]); process.setgid(65534); process.setuid(65534); }
  process.execve(process.argv[1], process.argv.slice(1), process.env)`;

/** What goes before a command, so that permissions hold for it. */
export const NOT_ROOT: readonly [node: string, ...flags: string[]] = [process.execPath, '--eval', DROP_ROOT, '--'];
