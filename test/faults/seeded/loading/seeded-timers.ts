// Stands in for node:timers/promises.

export { delay as setTimeout };

function delay<Value>(ms = 1, value?: Value): Promise<Value> {
  return new Promise((resolve) => {
    setTimeout(() => resolve(value as Value), ms);
  });
}
