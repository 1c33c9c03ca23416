import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from '../project/documents.ts';
import { requireTools, toolPath } from '../support/required-tool.ts';

it('hadolint finds nothing in the Containerfile', (test) => {
  requireTools(test, 'hadolint');
  const found = execFileSync(toolPath('hadolint'), ['--no-fail', join(ROOT, 'ops/Containerfile')], {
    encoding: 'utf8',
  });
  expect(found).toBe('');
});
