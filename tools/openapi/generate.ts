import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { format } from 'prettier';
import { openApiDocument } from './document.ts';
import { EXAMPLES } from './examples.ts';
import { markdownOf } from './markdown.ts';

// Writes src/wire/gen/openapi.json and docs/http-api.md, from the descriptor set that buf has written. The folder to
// write into is the argument.

const [root = '.'] = process.argv.slice(2);
const generated = join(root, 'src/wire/gen');
const set = fromBinary(FileDescriptorSetSchema, readFileSync(join(generated, 'descriptor.binpb')));
const service = createFileRegistry(set).getService('orders.v1.OrderNumberService');
if (!service) throw new Error('the descriptor set has no orders.v1.OrderNumberService');
const document = openApiDocument(service, EXAMPLES);
writeFileSync(join(generated, 'openapi.json'), `${JSON.stringify(document, null, 2)}\n`);
mkdirSync(join(root, 'docs'), { recursive: true });
const page = await format(markdownOf(service, EXAMPLES), { parser: 'markdown', printWidth: 120 });
writeFileSync(join(root, 'docs/http-api.md'), page);
