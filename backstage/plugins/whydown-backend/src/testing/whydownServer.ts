import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request as it came over the wire. */
export interface Received {
  readonly method: string;
  /** Path and query, as sent. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What the stand-in does with a request. */
export type Reply = (received: Received, res: ServerResponse) => void;

/** A real HTTP server on loopback that stands where Whydown would. */
export class WhydownServer {
  readonly received: Received[] = [];
  reply: Reply = json({ incidents: [] });

  private constructor(private readonly server: Server) {
    server.on('request', async (req, res) => {
      const chunks: Buffer[] = [];
      for await (const chunk of req) {
        chunks.push(chunk);
      }
      const received = {
        method: req.method ?? '',
        url: req.url ?? '',
        headers: req.headers,
        body: Buffer.concat(chunks).toString('utf8'),
      };
      this.received.push(received);
      this.reply(received, res);
    });
  }

  static async start(): Promise<WhydownServer> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new WhydownServer(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

/** Answers everything with `body`. */
export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Reply {
  return (_received, res) => {
    res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  };
}

/** Answers as Whydown refuses: RFC 9457. */
export function problem(status: number, detail: string): Reply {
  return json({ type: 'about:blank', status, detail }, status, { 'content-type': 'application/problem+json' });
}
