import { requireTools } from '../support/required-tool.ts';
import { docsCommandsSuite } from './docs-commands-suite.ts';

docsCommandsSuite('real', (test) => requireTools(test, 'grpcurl', 'curl', 'psql'));
