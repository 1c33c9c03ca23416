import { docsCommandsSuite } from './docs-commands-suite.ts';

docsCommandsSuite('stand-ins', () => {});
