import { Connection } from './calls/connection.js';
import { OrdersApi } from './calls/orders-api.js';
import { FeedPanel } from './panels/feed-panel.js';
import { SearchPanel } from './panels/search-panel.js';
import { StatusPanel } from './panels/status-panel.js';
import { StoreDialog } from './panels/store-dialog.js';
import { StoresPanel } from './panels/stores-panel.js';
import { TokenDialog } from './panels/token-dialog.js';
import { VerifyPanel } from './panels/verify-panel.js';
import { byId } from './view/elements.js';

/** Puts the page together. At most two streams are open: the figures, and either the latest orders or a verification. */

const connection = new Connection();
const api = new OrdersApi(connection);
let watching = new AbortController();

const tokenDialog = new TokenDialog((token) => {
  connection.setToken(token);
  search.clear();
  feed.clear();
  verify.clear();
  start();
});
/** @param {import('./calls/call-error.js').CallError} error */
const onFailure = ({ code, message }) => {
  if (code === 'unauthenticated') tokenDialog.ask(message);
};

const search = new SearchPanel(api);
const status = new StatusPanel(api, { onServingAgain: () => void stores.load(), onFailure });
const feed = new FeedPanel(api, { open: (allocation) => search.open(allocation), onFailure });
const verify = new VerifyPanel(api, { onRunning: (isRunning) => feed.hold(isRunning), onFailure });
const storeDialog = new StoreDialog(api, (store) => stores.put(store));
const stores = new StoresPanel(api, {
  edit: (store) => storeDialog.open(store),
  find: (storeId) => search.searchIn(storeId),
  onFailure,
});
byId('stores-create', HTMLButtonElement).addEventListener('click', () => storeDialog.open());

/** Begins everything anew, as with another token. */
function start() {
  void stores.load();
  follow();
}

/** Opens the streams of the page, if it is visible. */
function follow() {
  watching.abort();
  if (document.hidden) return feed.stop();
  watching = new AbortController();
  void status.run(watching.signal);
  void feed.restart();
}

// A browser opens six connections to a server for all of its tabs, so a hidden tab holds none.
document.addEventListener('visibilitychange', follow);
window.addEventListener('pagehide', () => verify.stop());
start();
