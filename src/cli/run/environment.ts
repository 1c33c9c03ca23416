export type Environment = Readonly<Record<string, string | undefined>>;

/** The one place that reads the environment as a whole; single settings are read with their flags. */
export function environment(): Environment {
  return process.env;
}
