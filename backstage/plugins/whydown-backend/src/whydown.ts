import { CustomErrorBase, InputError, NotFoundError, ServiceUnavailableError, ConflictError } from '@backstage/errors';
import type { LoggerService } from '@backstage/backend-plugin-api';

/** How long Whydown may take to answer, to the last byte. */
const TIMEOUT_MILLIS = 10_000;

/** The largest answer that is read. */
const MAX_BYTES = 8 * 1024 * 1024;

/** The longest reason of Whydown's that is passed on. */
const MAX_REASON = 500;

/** Whydown answered something that this backend cannot pass on: status 502. */
export class BadGatewayError extends CustomErrorBase {
  readonly statusCode = 502;
}

/** What is asked of Whydown. */
export interface Question {
  readonly method: 'GET' | 'POST';
  readonly path: `/${string}`;
  readonly token?: string;
  readonly query?: Record<string, string>;
  /** JSON: a value, or the bytes of one. */
  readonly body?: object | Buffer;
}

/** What Whydown answered. */
export interface Answer {
  readonly status: number;
  readonly json: unknown;
  readonly etag?: string;
  /** Seconds until it is worth asking again. */
  readonly retryAfter?: string;
}

/** Asks Whydown. No header but those named here goes out or comes back. */
export class Whydown {
  constructor(
    private readonly baseUrl: string,
    private readonly logger: LoggerService,
    private readonly timeoutMillis: number = TIMEOUT_MILLIS,
  ) {}

  /**
   * The answer to a question, if it is a good one.
   *
   * Throws NotFoundError, InputError or ConflictError with Whydown's own reason, ServiceUnavailableError when
   * Whydown cannot be reached or has no room, BadGatewayError for everything else.
   */
  async ask(question: Question): Promise<Answer> {
    const { response, text } = await this.exchange(question);
    const json = parsed(text);
    if (!response.ok) {
      throw refusal(response.status, reason(json));
    }
    if (json === undefined) {
      throw new BadGatewayError('Whydown answered something that is no JSON: does whydown.baseUrl lead to Whydown?');
    }
    return {
      status: response.status,
      json,
      etag: response.headers.get('etag') ?? undefined,
      retryAfter: response.headers.get('retry-after') ?? undefined,
    };
  }

  private async exchange(question: Question): Promise<{ response: Response; text: string }> {
    const url = new URL(`${this.baseUrl}${question.path}`);
    url.search = new URLSearchParams(question.query).toString();
    try {
      const response = await fetch(url, {
        method: question.method,
        headers: {
          accept: 'application/json',
          ...(question.body && { 'content-type': 'application/json' }),
          ...(question.token && { authorization: `Bearer ${question.token}` }),
        },
        body: question.body instanceof Buffer ? question.body : question.body && JSON.stringify(question.body),
        redirect: 'manual',
        signal: AbortSignal.timeout(this.timeoutMillis),
      });
      return { response, text: await bounded(response) };
    } catch (failure) {
      if (failure instanceof BadGatewayError) {
        throw failure;
      }
      this.logger.warn(`Whydown did not answer ${question.method} ${question.path}: ${why(failure)}`);
      throw new ServiceUnavailableError(
        'Whydown cannot be reached: is it running, and does whydown.baseUrl in app-config.yaml lead to it?',
      );
    }
  }
}

async function bounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part?.value; part = await reader?.read()) {
    size += part.value.length;
    if (size > MAX_BYTES) {
      await reader?.cancel();
      throw new BadGatewayError(`Whydown's answer has more than ${MAX_BYTES / 1024 / 1024} MiB`);
    }
    chunks.push(part.value);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The `detail` of problem+json, RFC 9457. */
function reason(json: unknown): string | undefined {
  const detail = (json as { detail?: unknown } | undefined | null)?.detail;
  return typeof detail === 'string' ? detail.slice(0, MAX_REASON) : undefined;
}

function refusal(status: number, detail?: string): Error {
  switch (status) {
    case 400:
    case 413:
    case 415:
    case 422:
      return new InputError(detail ?? 'Whydown does not take this request');
    case 401:
    case 403:
      return new BadGatewayError(
        "Whydown refused this backend's token: whydown.apiToken must be the value of WHYDOWN_API_TOKEN, " +
          'and whydown.webhookToken that of WHYDOWN_WEBHOOK_TOKEN',
      );
    case 404:
      return new NotFoundError(detail ?? 'Whydown does not know this');
    case 409:
      return new ConflictError(detail ?? 'Whydown cannot do this now');
    case 503:
      return new ServiceUnavailableError(detail ?? 'Whydown has no room at the moment: try again');
    default:
      return new BadGatewayError(`Whydown answered with status ${status}: its log says more`);
  }
}

/** In a word: the code of a failed connection, or the name of a timeout. Messages may hold addresses. */
function why(failure: unknown): string {
  const { name, cause } = failure as { name?: string; cause?: { code?: string } };
  return cause?.code ?? name ?? 'unknown';
}
