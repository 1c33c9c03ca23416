import { fastify } from 'fastify';

/** A plain Fastify server whose route answers at once, with as many bytes as ours: the ceiling of a request over HTTP. */
const server = fastify();
server.post('/api/generateOrderNumber', async () => ({ OrderID: 1000000, OrderNumber: 1000099, StoreID: 4578 }));
const address = await server.listen({ host: '127.0.0.1', port: 0 });
console.log(JSON.stringify({ msg: 'serving', grpc: '', http: address.replace('http://', '') }));
process.on('SIGTERM', () => process.exit(0));
