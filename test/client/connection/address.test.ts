import { describe, expect, it } from 'vitest';
import { parseServerAddress } from '../../../src/client/connection/address.ts';

describe('the address', () => {
  it.each([
    ['localhost', 'localhost:50051'],
    ['orders.example.com', 'orders.example.com:50051'],
    ['127.0.0.1', '127.0.0.1:50051'],
    ['[::1]', '[::1]:50051'],
    ['localhost:6000', 'localhost:6000'],
    ['10.0.0.1:443', '10.0.0.1:443'],
    ['[fe80::1%eth0]:1', '[fe80::1%eth0]:1'],
    ['dns:localhost', 'localhost:50051'],
    ['dns:///orders', 'orders:50051'],
    ['dns://8.8.8.8/orders:7', 'orders:7'],
    ['ipv4:10.0.0.1,10.0.0.2:7', '10.0.0.1:50051,10.0.0.2:7'],
    ['ipv6:[::1]', '[::1]:50051'],
    ['unix:/run/orders.sock', 'unix:/run/orders.sock'],
  ])('%s means %s', (text, name) => {
    expect(parseServerAddress(text).name).toBe(name);
  });

  it.each([
    '',
    ' ',
    ':50051',
    '50051',
    'localhost:',
    'localhost:0',
    'localhost:65536',
    'localhost:grpc',
    'local host',
    'http://',
    'ftp://localhost',
    'localhost:1/path',
    'user@localhost',
    '::1',
    '::1:50051',
    '[localhost]:1',
    '[::1',
    'a,b',
    'unix:',
  ])('%j is refused, with what is valid', (text) => {
    expect(() => parseServerAddress(text)).toThrow(TypeError);
    expect(() => parseServerAddress(text)).toThrow('it must be host or host:port, such as localhost, 127.0.0.1:50051');
  });

  it.each([
    ['http://localhost:50051', 'use "localhost:50051"'],
    ['HTTP://localhost', 'use "localhost:50051"'],
    ['http://[::1]:6000/', 'use "[::1]:6000"'],
    ['grpc://localhost', 'use "localhost:50051"'],
    ['https://orders.example.com:443/orders?x=1', 'use "orders.example.com:443" with tls: true'],
    ['grpcs://orders.example.com', 'use "orders.example.com:50051" with tls: true'],
    ['https://me:pw@orders.example.com', 'use "orders.example.com:50051" with tls: true'],
  ])('%s is refused, with what to use instead', (text, remedy) => {
    const refused = () => parseServerAddress(text);
    expect(refused).toThrow(TypeError);
    expect(refused).toThrow(`it is a URL: ${remedy}`);
    expect(refused).not.toThrow('me:pw');
  });

  it.each([
    'localhost',
    'LOCALHOST:1',
    'localhost.:1',
    'orders.localhost',
    '127.0.0.1',
    '127.9.9.9:1',
    '127.1',
    '[::1]',
    '[0:0:0:0:0:0:0:1]:1',
    '[::ffff:127.0.0.1]:1',
    '0.0.0.0:1',
    '[::]:1',
    'dns:///localhost:1',
    'ipv4:127.0.0.1:1,127.0.0.2:1',
    'ipv6:[::1]:1',
  ])('%s is on this machine', (text) => {
    expect(parseServerAddress(text).isLoopback).toBe(true);
  });

  it.each(['orders', '10.0.0.1', '128.0.0.1', '[2001:db8::1]', 'localhost.example.com', 'ipv4:127.0.0.1,10.0.0.1'])(
    '%s is not on this machine',
    (text) => {
      expect(parseServerAddress(text).isLoopback).toBe(false);
    },
  );
});
