import { checkStoreId } from '../../core/allocation.ts';
import { OrderError } from '../../core/errors.ts';
import type {
  CreateStoreRequest,
  CreateStoreResponse,
  GetStoreRequest,
  GetStoreResponse,
  ListStoresRequest,
  ListStoresResponse,
  Store as StoreMessage,
  UpdateStoreRequest,
  UpdateStoreResponse,
} from '../../wire/gen/orders/v1/orders.ts';
import type { Ledger, LedgerReads } from '../../core/ledger.ts';
import type { PagedList } from '../../core/reading/paging.ts';
import { pageSize, readPage } from '../../core/reading/paging.ts';
import type { Store, StoreChanges } from '../../core/store.ts';
import { checkStoreChanges, DEFAULT_STORE } from '../../core/store.ts';
import { storeNotFound } from '../../core/refusals.ts';
import type { Logger } from '../log/log.ts';
import { EVERY_LINE } from '../log/log.ts';
import { STORE_SETTING_PATHS, STORE_SETTINGS } from '../../wire/values.ts';
import type { CallQueues } from './call-queues.ts';
import type { ServedMethod } from './served-method.ts';
import { toStoreMessage } from './messages.ts';
import { unary } from './unary.ts';

/** CreateStore, GetStore, ListStores, UpdateStore. */
export function storeMethods(ledger: Ledger, queues: CallQueues, logger: Logger): Record<string, ServedMethod> {
  return {
    createStore: unary<CreateStoreRequest, CreateStoreResponse>({
      name: 'CreateStore',
      verb: 'manage',
      writes: true,
      async handle(request, signal, { principal, origin }) {
        const { storeId, prefix, suffix, minDigits, firstNumber = DEFAULT_STORE.firstNumber } = given(request);
        const settings = { firstNumber, prefix, suffix, minDigits };
        checkStoreChanges(settings);
        const write = async () => {
          const after = await ledger.createStore({ storeId, ...settings });
          logStore(logger, 'store created', principal.name, undefined, after);
          return toStoreMessage(after);
        };
        return { store: await queues.stores.run('write', { signal, origin }, write) };
      },
      storeOf: (request) => given(request).storeId,
      describe: describeStore,
      pathOf: pathInStore,
      // If it has succeeded, a retry would be refused.
      mayRetry: (_, { reason }) => reason !== 'OUTCOME_UNKNOWN',
    }),
    updateStore: unary<UpdateStoreRequest, UpdateStoreResponse>({
      name: 'UpdateStore',
      verb: 'manage',
      writes: true,
      async handle(request, signal, { principal, origin }) {
        const store = given(request);
        const changes = toChanges(store, request.updateMask ?? []);
        checkStoreChanges(changes);
        const write = async () => {
          const { before, after } = await ledger.updateStore(store.storeId, changes);
          logStore(logger, 'store changed', principal.name, before, after);
          return toStoreMessage(after);
        };
        return { store: await queues.stores.run('write', { signal, origin }, write) };
      },
      storeOf: (request) => given(request).storeId,
      describe: describeStore,
      pathOf: pathInStore,
      mayRetry: () => true,
    }),
    ...lookups(ledger.reads, queues),
  };
}

function lookups(reads: LedgerReads, queues: CallQueues): Record<string, ServedMethod> {
  return {
    getStore: unary<GetStoreRequest, GetStoreResponse>({
      name: 'GetStore',
      verb: 'read',
      async handle({ storeId }, signal, { origin }) {
        checkStoreId(storeId);
        const store = await queues.reads.run('lookup', { signal, origin }, () => reads.getStore(storeId));
        if (!store) throw storeNotFound(storeId);
        return { store: toStoreMessage(store) };
      },
      storeOf: ({ storeId }) => storeId,
      describe: ({ storeId }) => ({ store_id: String(storeId) }),
      mayRetry: () => true,
    }),
    listStores: unary<ListStoresRequest, ListStoresResponse>({
      name: 'ListStores',
      verb: 'read',
      async handle(request, signal, { origin }) {
        const limit = pageSize(request.pageSize);
        return queues.reads.run('list', { signal, origin }, () => listStores(reads, request, limit));
      },
      storeOf: () => undefined,
      withoutStore: 'look one of them up with GetStore (stores get --store)',
      describe: () => ({}),
      mayRetry: () => true,
    }),
  };
}

async function listStores(
  reads: LedgerReads,
  { pageToken }: ListStoresRequest,
  limit: number,
): Promise<ListStoresResponse> {
  const { ledgerId, lastStoreId } = await reads.end();
  const list: PagedList<Store> = {
    name: ['ListStores', '', ledgerId],
    whole: { after: 0n, end: lastStoreId },
    limit,
    read: ({ after, end }) => reads.listStores({ afterStoreId: after, upToStoreId: end, limit }),
    restOf: ({ end }, last) => ({ after: last.storeId, end }),
  };
  const { items, nextPageToken } = await readPage(list, pageToken);
  return { stores: items.map(toStoreMessage), nextPageToken };
}

/** Logs a change of a store as part of the write itself, so that it is logged even if the caller has gone. */
function logStore(logger: Logger, message: string, caller: string, before: Store | undefined, after: Store): void {
  const fields = {
    store_id: String(after.storeId),
    caller,
    before: before ? logged(before) : null,
    after: logged(after),
  };
  logger.info({ ...fields, [EVERY_LINE]: true }, message);
}

function logged(store: Store): Record<string, string | number> {
  const { firstNumber, nextNumber, prefix, suffix, minDigits } = toStoreMessage(store);
  const numbers = { first_number: String(firstNumber), next_number: String(nextNumber) };
  return { ...numbers, prefix, suffix, min_digits: minDigits };
}

function pathInStore(field: string): string {
  return field === 'update_mask' ? field : `store.${field}`;
}

function given({ store }: { readonly store: StoreMessage | undefined }): StoreMessage {
  if (!store) throw new OrderError('STORE_FIELD_INVALID', 'store is missing; set it, with its store_id');
  checkStoreId(store.storeId);
  return store;
}

function describeStore({ store }: { readonly store: StoreMessage | undefined }): Record<string, string> {
  return store ? { store_id: String(store.storeId) } : {};
}

function toChanges(store: StoreMessage, mask: readonly string[]): StoreChanges {
  const paths = Object.values(STORE_SETTING_PATHS).join(', ');
  if (mask.length === 0) {
    throw new OrderError('UPDATE_MASK_INVALID', `update_mask is empty; name at least one of ${paths}`);
  }
  return Object.assign({}, ...mask.map((path) => changeOf(store, path, paths))) as StoreChanges;
}

/** The value at a path of an update_mask; the default if it is absent. */
function changeOf(store: StoreMessage, path: string, paths: string): StoreChanges {
  const setting = STORE_SETTINGS.find((name) => STORE_SETTING_PATHS[name] === path);
  if (setting) return { [setting]: store[setting] ?? DEFAULT_STORE[setting] };
  const quoted = JSON.stringify(path.slice(0, 64));
  throw new OrderError('UPDATE_MASK_INVALID', `unknown update_mask path ${quoted}; allowed: ${paths}`, {
    fields: { update_mask: path },
  });
}
