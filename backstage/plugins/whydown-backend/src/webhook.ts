import { createHash, timingSafeEqual } from 'node:crypto';
import { AuthenticationError, NotImplementedError } from '@backstage/errors';
import type { RequestHandler } from 'express';
import type { Whydown } from './whydown';

/**
 * Passes a sender's alert on to Whydown, unread. Backstage lets everybody reach this route, so the sender must show
 * Whydown's webhook token itself; where none is configured the route is closed, even if Whydown would ask for none.
 */
export function webhook(whydown: Whydown, token: string | undefined): RequestHandler {
  return async (req, res) => {
    if (token === undefined) {
      throw new NotImplementedError('the webhook is closed: set whydown.webhookToken to the value of WHYDOWN_WEBHOOK_TOKEN');
    }
    const shown = /^Bearer (\S+)$/i.exec(req.headers.authorization ?? '')?.[1];
    if (shown === undefined || !timingSafeEqual(digest(shown), digest(token))) {
      throw new AuthenticationError('send the header Authorization: Bearer, with the value of WHYDOWN_WEBHOOK_TOKEN');
    }
    const body = Buffer.isBuffer(req.body) ? req.body : Buffer.alloc(0);
    const answer = await whydown.ask({ method: 'POST', path: '/webhook/alert', token, body });
    res.status(answer.status).json(answer.json);
  };
}

function digest(value: string): Buffer {
  return createHash('sha256').update(value).digest();
}
