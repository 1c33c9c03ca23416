import { readmeCommandsSuite } from './readme-commands-suite.ts';
import { requireTools } from '../support/required-tool.ts';

readmeCommandsSuite('real', (test) => requireTools(test, 'grpcurl', 'curl'));
