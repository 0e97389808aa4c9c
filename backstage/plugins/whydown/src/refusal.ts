import type { ResponseError } from '@backstage/errors';

/** What a failed request means to whoever reads the card. */
export interface Refusal {
  readonly title: string;
  readonly message: string;
}

/** Whether trying again may help: no connection, or a backend that cannot reach Whydown. */
export function isTransient(error: Error): boolean {
  const { statusCode } = error as Partial<ResponseError>;
  return statusCode === undefined || statusCode === 429 || statusCode >= 500;
}

/** In words, with the backend's own reason where it gave one. */
export function refusal(error: Error): Refusal {
  const { statusCode, cause } = error as Partial<ResponseError>;
  const message = cause?.message ?? error.message;
  switch (statusCode) {
    case undefined:
      return { title: "Backstage's backend cannot be reached", message };
    case 401:
    case 403:
      return { title: 'You may not ask about this entity', message };
    case 404:
      // Backstage answers for a plugin that it does not have, without the name of an error.
      return cause?.name === 'NotFoundError'
        ? { title: 'Nothing that you may see', message }
        : { title: 'Whydown is missing in the backend', message: 'Add @whydown/backstage-plugin-whydown-backend to it.' };
    case 502:
    case 503:
      return { title: 'Whydown cannot be asked', message };
    default:
      return { title: 'Whydown did not take this', message };
  }
}
