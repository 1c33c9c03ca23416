import type { OrderNumbersClient } from 'order-number-generator-client';

/** What is used of Medusa's CreateOrderDTO: completeCartWorkflow gives each line item the id of its cart. */
interface NewOrder {
  readonly items?: readonly { readonly cart_id?: string }[];
}

/** Creates a function for `generateCustomDisplayId`, an option of Medusa's Order Module. */
export function customDisplayId(orderNumbers: OrderNumbersClient, storeId: number) {
  return async ({ items = [] }: NewOrder): Promise<string | undefined> => {
    // One cart becomes one order, so the cart is the key: completing it again gets the same number.
    const cartId = items.find((item) => item.cart_id)?.cart_id;
    // A draft or an import has no cart, and so nothing to retry with: it keeps Medusa's own number.
    if (cartId === undefined) return undefined;
    const { displayNumber } = await orderNumbers.allocate({ storeId, requestId: cartId });
    return displayNumber;
  };
}
