import { ResponseError } from '@backstage/errors';
import { mockApis } from '@backstage/test-utils';
import { WhydownClient } from './api';
import { ENTITY_REF, incident } from './testing/incidents';

/** A client, and the requests that it makes of `answers`. */
function client(...answers: Response[]) {
  const asked: { url: string; init?: RequestInit }[] = [];
  const fetchApi = {
    fetch: async (url: RequestInfo | URL, init?: RequestInit) => {
      asked.push({ url: String(url), init });
      return answers.shift()!;
    },
  };
  return { whydown: new WhydownClient(mockApis.discovery({ baseUrl: 'http://backstage.test' }), fetchApi), asked };
}

it('asks about an entity, with errors only where there are some', async () => {
  const accepted = () => Response.json({ incidents: [{ id: 'abc123' }] }, { status: 202 });
  const { whydown, asked } = client(accepted(), accepted());
  expect(await whydown.analyze(ENTITY_REF, ' HTTP 500\n')).toBe('abc123');
  await whydown.analyze(ENTITY_REF, '  ');
  expect(asked.map(({ url, init }) => [url, init?.method, JSON.parse(init?.body as string)])).toEqual([
    ['http://backstage.test/api/whydown/analyze', 'POST', { entityRef: ENTITY_REF, errors: 'HTTP 500' }],
    ['http://backstage.test/api/whydown/analyze', 'POST', { entityRef: ENTITY_REF }],
  ]);
});

it('gives back what it knows while nothing changed', async () => {
  const headers = { ETag: 'W/"1"', 'Retry-After': '2' };
  const { whydown, asked } = client(
    Response.json(incident('gathering'), { headers }),
    new Response(null, { status: 304, headers: { 'Retry-After': '4' } }),
  );
  const first = await whydown.look('abc123', ENTITY_REF);
  const second = await whydown.look('abc123', ENTITY_REF, first);
  expect(second).toEqual({ incident: incident('gathering'), etag: 'W/"1"', againAfterSeconds: 4 });
  expect(asked.map(({ url }) => url)).toEqual(
    Array(2).fill('http://backstage.test/api/whydown/incidents/abc123?entityRef=component%3Adefault%2Finvoice-api'),
  );
  expect(asked.map(({ init }) => init?.headers)).toEqual([{}, { 'If-None-Match': 'W/"1"' }]);
});

it('lists and judges', async () => {
  const { whydown, asked } = client(Response.json({ incidents: [incident('done')] }), Response.json({}));
  expect(await whydown.incidents(ENTITY_REF)).toEqual([incident('done')]);
  await whydown.judge('abc123', ENTITY_REF, 'right');
  expect(asked.map(({ url }) => new URL(url).pathname)).toEqual([
    '/api/whydown/incidents',
    '/api/whydown/incidents/abc123/feedback',
  ]);
});

it("rejects with the backend's refusal", async () => {
  const { whydown } = client(new Response(null, { status: 404 }));
  await expect(whydown.incidents(ENTITY_REF)).rejects.toBeInstanceOf(ResponseError);
});
