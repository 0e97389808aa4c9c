import type { BackstageCredentials, HttpAuthService } from '@backstage/backend-plugin-api';
import { InputError, NotFoundError } from '@backstage/errors';
import express, { type Request, type Response, type Router } from 'express';
import PromiseRouter from 'express-promise-router';
import { z } from 'zod';
import { type Ownership, ownerOf, serviceOf, subjectOf } from './ownership';
import type { Settings } from './settings';
import { webhook } from './webhook';
import { type Answer, BadGatewayError, type Whydown } from './whydown';

/** The route that senders reach. */
export const WEBHOOK = '/webhook/alert';

/** A body as large as the error text that Whydown keeps, four bytes for a character. */
const MAX_BODY = '1mb';

/** How many incidents Whydown is asked for: more than are shown, as others may bear the same name. */
const LISTED = 50;

const EntityRef = z.string().min(1).max(256);

const AnalyzeBody = z.object({
  entityRef: EntityRef,
  alertTitle: z.string().max(512).optional(),
  errors: z.string().max(256 * 1024).optional(),
});

const ListQuery = z.object({
  entityRef: EntityRef,
  limit: z.coerce.number().int().min(1).max(LISTED).default(5),
});

const ShowQuery = z.object({ entityRef: EntityRef.optional() });

const FeedbackBody = z.object({
  verdict: z.enum(['right', 'partly', 'wrong']),
  actualCause: z.string().max(2000).optional(),
  fixedBy: z.string().max(2000).optional(),
});

/** What this backend reads of an incident. */
const Incident = z.looseObject({
  id: z.string().regex(/^[a-z0-9]{1,40}$/),
  service: z.string(),
  entityRef: z.string().nullish(),
});

/** What the browser gets of one, as Whydown wrote it. Facts and related incidents may tell of entities that the caller may not see. */
const SHOWN = [
  ...['id', 'status', 'service', 'entityRef', 'title', 'severity', 'sender', 'fireCount', 'queue', 'timings'],
  ...['startedAt', 'receivedAt', 'lastSeenAt', 'finishedAt', 'resolvedAt'],
  ...['detail', 'closest', 'coverage', 'cause', 'diagnosis', 'analysis', 'coveredBy', 'feedback'],
];

const IncidentList = z.object({ incidents: z.array(Incident) });

const Accepted = z.object({ incidents: z.array(z.looseObject({ id: Incident.shape.id })).length(1) });

/** What the routes need. */
export interface RouterOptions {
  readonly httpAuth: HttpAuthService;
  readonly ownership: Ownership;
  readonly settings: Settings;
  readonly whydown: Whydown;
}

/** The routes; errors are answered by Backstage's own middleware. */
export function createRouter({ httpAuth, ownership, settings, whydown }: RouterOptions): Router {
  const router = PromiseRouter();
  const user = (req: Request) => httpAuth.credentials(req, { allow: ['user'] });
  const token = settings.apiToken;
  const pageUrl = (id: string) => `${settings.publicUrl}/incidents/${id}`;
  const shown = (incident: z.infer<typeof Incident>) => ({
    ...Object.fromEntries(SHOWN.filter(name => name in incident).map(name => [name, incident[name]])),
    pageUrl: pageUrl(incident.id),
  });

  /** The incident, if the caller may see the entity that it belongs to. Throws NotFoundError. */
  async function visible(id: string, entityRef: string | undefined, credentials: BackstageCredentials) {
    const unknown = new NotFoundError(`there is no incident ${id} that you may see`);
    if (!Incident.shape.id.safeParse(id).success) {
      throw unknown;
    }
    const answer = await whydown.ask({ method: 'GET', path: `/incidents/${id}`, token });
    const incident = understood(Incident, answer);
    const entity = await ownership.entity(entityRef ?? ownerOf(incident), credentials).catch(failure => {
      throw failure instanceof NotFoundError ? unknown : failure;
    });
    if (!(await ownership.of(entity, [incident], credentials)).length) {
      throw unknown;
    }
    return { answer, incident };
  }

  router.post(WEBHOOK, express.raw({ type: () => true, limit: MAX_BODY }), webhook(whydown, settings.webhookToken));
  router.use(express.json({ limit: MAX_BODY }));

  router.post('/analyze', async (req, res) => {
    const credentials = await user(req);
    const { entityRef, alertTitle, errors } = valid(AnalyzeBody, req.body);
    const entity = await ownership.entity(entityRef, credentials);
    const body = { entityRef: subjectOf(entity), alertTitle, errors };
    const answer = await whydown.ask({ method: 'POST', path: '/analyze', token, body });
    const { incidents } = understood(Accepted, answer);
    send(res.status(202), answer, { incidents: incidents.map(one => ({ ...one, pageUrl: pageUrl(one.id) })) });
  });

  router.get('/incidents', async (req, res) => {
    const credentials = await user(req);
    const { entityRef, limit } = valid(ListQuery, req.query);
    const entity = await ownership.entity(entityRef, credentials);
    const query = { service: serviceOf(entity), limit: String(LISTED) };
    const answer = await whydown.ask({ method: 'GET', path: '/incidents', token, query });
    const incidents = await ownership.of(entity, understood(IncidentList, answer).incidents, credentials);
    send(res, answer, { incidents: incidents.slice(0, limit).map(shown) });
  });

  router.get('/incidents/:id', async (req, res) => {
    const credentials = await user(req);
    const { answer, incident } = await visible(req.params.id, valid(ShowQuery, req.query).entityRef, credentials);
    send(res, answer, shown(incident));
  });

  router.post('/incidents/:id/feedback', async (req, res) => {
    const credentials = await user(req);
    const body = valid(FeedbackBody, req.body);
    const { incident } = await visible(req.params.id, valid(ShowQuery, req.query).entityRef, credentials);
    const answer = await whydown.ask({ method: 'POST', path: `/incidents/${incident.id}/feedback`, token, body });
    send(res, answer, shown(understood(Incident, answer)));
  });

  return router;
}

/** Answers with JSON; 304 where the caller's If-None-Match still holds. */
function send(res: Response, { etag, retryAfter }: Answer, body: object): void {
  res.set('Cache-Control', 'private, no-cache');
  // A frontend on another origin, as in development, sees no header that is not named here.
  res.set('Access-Control-Expose-Headers', 'ETag, Retry-After');
  if (etag) {
    res.set('ETag', etag);
  }
  if (retryAfter) {
    res.set('Retry-After', retryAfter);
  }
  // Express would overlook it: with an If-None-Match of the caller's own, fetch also sends Cache-Control: no-cache.
  if (etag && res.req.headers['if-none-match'] === etag) {
    res.status(304).end();
  } else {
    res.json(body);
  }
}

/** A request's value in its proper form. Throws InputError that names the field. */
function valid<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const result = schema.safeParse(value);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw new InputError(`${issue.path.join('.') || 'the body'}: ${issue.message}`);
  }
  return result.data;
}

/** Whydown's answer in its proper form. Throws BadGatewayError. */
function understood<T extends z.ZodType>(schema: T, answer: Answer): z.infer<T> {
  const result = schema.safeParse(answer.json);
  if (!result.success) {
    throw new BadGatewayError('Whydown answered something else than expected: does whydown.baseUrl lead to Whydown?');
  }
  return result.data;
}
