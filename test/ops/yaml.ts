import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from '../project/documents.ts';

const LOAD = 'import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))';

/** The documents of a YAML file, whose path begins at the root of the repository. Needs kubernetes-validate's Python. */
export function yamlDocuments(path: string): unknown[] {
  const python = join(ROOT, '.tools/python/bin/python');
  return JSON.parse(execFileSync(python, ['-c', LOAD, join(ROOT, path)], { encoding: 'utf8' })) as unknown[];
}
