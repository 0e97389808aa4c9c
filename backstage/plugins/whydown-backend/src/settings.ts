import type { RootConfigService } from '@backstage/backend-plugin-api';
import { InputError } from '@backstage/errors';

/** What `app-config.yaml` says under `whydown`. */
export interface Settings {
  /** Where this backend reaches Whydown; without a slash at the end. */
  readonly baseUrl: string;
  /** What links for people start with; without a slash at the end. */
  readonly publicUrl: string;
  readonly apiToken?: string;
  /** What senders must show. Undefined: the webhook is closed. */
  readonly webhookToken?: string;
}

/** Reads the settings. Throws an InputError that names the key and the fix. */
export function readSettings(config: RootConfigService): Settings {
  const baseUrl = httpUrl('whydown.baseUrl', config.getString('whydown.baseUrl'));
  const publicUrl = config.getOptionalString('whydown.publicUrl');
  return {
    baseUrl,
    publicUrl: publicUrl === undefined ? baseUrl : httpUrl('whydown.publicUrl', publicUrl),
    apiToken: token('whydown.apiToken', config.getOptionalString('whydown.apiToken')),
    webhookToken: token('whydown.webhookToken', config.getOptionalString('whydown.webhookToken')),
  };
}

function httpUrl(key: string, value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const plain = url && ['http:', 'https:'].includes(url.protocol) && !url.username && !url.password;
  if (!plain || url.search || url.hash) {
    throw new InputError(`${key} must be an http or https URL without credentials or query: https://whydown.example.com`);
  }
  return url.href.replace(/\/+$/, '');
}

function token(key: string, value: string | undefined): string | undefined {
  if (value !== undefined && !/^[\x21-\x7e]+$/.test(value)) {
    throw new InputError(`${key} must be one word of printable ASCII, as an HTTP header carries it`);
  }
  return value;
}
