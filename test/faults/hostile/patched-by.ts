/** The module that a server loads first to be without these protections, by their names in without.ts. */
export function patchedBy(without: readonly string[]): string {
  const module = new URL('without.ts', import.meta.url);
  for (const name of without) module.searchParams.append('without', name);
  return module.href;
}
