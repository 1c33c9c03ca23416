import { expect } from 'vitest';

// What other clients call first on a new ledger. The store_id is one that a double cannot hold.

export const ALLOCATE_ORDER = 'orders.v1.OrderNumberService/AllocateOrder';
export const REQUEST = '{"store_id": "9007199254740993", "request_id": "cart-1"}';
/** The first answer in the proto's JSON mapping. */
export const FIRST_ANSWER = {
  allocation: {
    orderId: '1',
    storeId: '9007199254740993',
    orderNumber: '100',
    count: 1,
    displayNumber: '100',
    requestId: 'cart-1',
    createTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/),
  },
};
