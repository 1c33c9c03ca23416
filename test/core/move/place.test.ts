import { describe, expect, it } from 'vitest';
import { isSamePlace, placeOf, placeText } from '../../../src/core/move/place.ts';

describe('the text of a place', () => {
  it.each([
    { name: '/data/orders.db', identity: 'file /data/orders.db' },
    { name: '/data (old)/orders (1).db', identity: '' },
    { name: '/data/two\nlines.db', identity: 'file 7' },
    { name: '', identity: '7' },
  ])('gives the place back: no. %#', (place) => {
    expect(placeOf(placeText(place))).toEqual(place);
  });

  it.each(['/data/orders.db', '/data (old)/orders.db', '/data(old)', '/data (a(b))'])(
    'may be a name alone: %s',
    (name) => {
      expect(placeOf(name)).toEqual({ name, identity: '' });
    },
  );
});

it('P8: a place is the same under another name or identity, but not under both', () => {
  const place = { name: 'orders at a:5432', identity: 'database 5 of system 7' };
  expect(isSamePlace(place, { ...place })).toBe(true);
  expect(isSamePlace(place, { ...place, name: 'orders at b:5432' })).toBe(true);
  expect(isSamePlace(place, { ...place, identity: 'database 5 of system 8' })).toBe(true);
  expect(isSamePlace(place, { name: 'orders at b:5432', identity: 'database 5 of system 8' })).toBe(false);
});
