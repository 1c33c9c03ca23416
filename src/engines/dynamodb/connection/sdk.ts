import { LedgerRefused } from '../../../core/errors.ts';

/** Optional: an installation without a DynamoDB ledger may leave it out. */
const SDK = '@aws-sdk/client-dynamodb';

/** Loads a module that needs the AWS SDK. Rejects with LedgerRefused if that is not installed. */
export async function withSdk<Module>(load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND';
    if (!isMissing || !error.message.includes(SDK)) throw error;
    throw new LedgerRefused(`a DynamoDB ledger needs the package ${SDK}, which is not installed: npm install ${SDK}`, {
      cause: error,
    });
  }
}
