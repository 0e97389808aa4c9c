import { mockCredentials } from '@backstage/backend-test-utils';
import { backstage, catalog, component } from './testing/backend';
import { json, problem, WhydownServer } from './testing/whydownServer';

const API_TOKEN = 'api-token-7f3a';
const WEBHOOK_TOKEN = 'webhook-token-91bc';
const SECRETS = [API_TOKEN, WEBHOOK_TOKEN];

const INVOICE_API = 'component:default/invoice-api';

const ACCEPTED = {
  incidents: [{ id: 'abc123', status: 'queued', url: 'http://internal/incidents/abc123', new: true }],
  ignored: null,
};

function incident(id: string, service: string, entityRef: string | null) {
  return { id, status: 'done', service, entityRef, title: 'Error rate above 5 %', diagnosis: null };
}

let whydown: WhydownServer;
let running: Awaited<ReturnType<typeof backstage>> | undefined;

beforeEach(async () => {
  whydown = await WhydownServer.start();
});

afterEach(async () => {
  await running?.stop();
  running = undefined;
  await whydown.stop();
});

async function start(
  entities = catalog([component('invoice-api')], [component('payroll')]),
  settings: Record<string, string> = { apiToken: API_TOKEN, webhookToken: WEBHOOK_TOKEN },
) {
  running = await backstage({ baseUrl: whydown.url, ...settings }, entities);
  return running;
}

async function refusal(response: Response) {
  const text = await response.text();
  for (const secret of SECRETS) {
    expect(text).not.toContain(secret);
  }
  return { status: response.status, message: JSON.parse(text).error.message as string };
}

describe('POST /analyze', () => {
  it("asks Whydown about the entity with Whydown's token, and with nothing of the caller's", async () => {
    whydown.reply = json(ACCEPTED, 202, { 'retry-after': '2' });
    const { post } = await start();

    const response = await post(
      '/analyze',
      { entityRef: INVOICE_API, errors: 'HTTP 500 on POST /invoices', callbackUrl: 'http://elsewhere.test/' },
      { cookie: 'session=mine', 'x-forwarded-for': '10.1.2.3' },
    );

    expect(response.status).toBe(202);
    expect(response.headers.get('retry-after')).toBe('2');
    expect(await response.json()).toEqual({
      incidents: [{ ...ACCEPTED.incidents[0], pageUrl: `${whydown.url}/incidents/abc123` }],
    });
    const [asked] = whydown.received;
    expect([asked.method, asked.url]).toEqual(['POST', '/analyze']);
    expect(JSON.parse(asked.body)).toEqual({
      entityRef: 'Component:default/invoice-api',
      errors: 'HTTP 500 on POST /invoices',
    });
    expect(asked.headers.authorization).toBe(`Bearer ${API_TOKEN}`);
    expect(asked.headers).not.toHaveProperty('cookie');
    expect(asked.headers).not.toHaveProperty('x-forwarded-for');
  });

  it('takes a bare name for a component of the default namespace', async () => {
    whydown.reply = json(ACCEPTED, 202);
    const { post } = await start();
    expect((await post('/analyze', { entityRef: 'invoice-api' })).status).toBe(202);
  });

  it('asks for the name that the annotation gives', async () => {
    whydown.reply = json(ACCEPTED, 202);
    const { post } = await start(catalog([component('invoice-api', { 'whydown.dev/service': 'invoices-v2' })]));
    await post('/analyze', { entityRef: INVOICE_API });
    expect(JSON.parse(whydown.received[0].body)).toEqual({ entityRef: 'invoices-v2' });
  });

  it('links to where people reach Whydown', async () => {
    whydown.reply = json(ACCEPTED, 202);
    const { post } = await start(undefined, { publicUrl: 'https://whydown.example.com/' });
    const { incidents } = await (await post('/analyze', { entityRef: INVOICE_API })).json();
    expect(incidents[0].pageUrl).toBe('https://whydown.example.com/incidents/abc123');
    expect(whydown.received[0].headers).not.toHaveProperty('authorization');
  });

  it.each([
    ['an entity that the caller may not see', { entityRef: 'component:default/payroll' }, 404, /not in the catalog/],
    ['an entity that there is not', { entityRef: 'component:default/nonsense' }, 404, /not in the catalog/],
    ['no entity', { errors: 'x' }, 400, /^entityRef: /],
    ['no reference', { entityRef: 'component:default/' }, 400, /entityRef must be an entity reference/],
    ['errors of another form', { entityRef: INVOICE_API, errors: 7 }, 400, /^errors: /],
    ['no JSON', 'errors=1', 400, /JSON/],
    ['a body beyond the limit', { entityRef: INVOICE_API, errors: 'x'.repeat(2 ** 21) }, 413, /too large/],
  ])('asks Whydown nothing for %s', async (_what, body, status, message) => {
    const { post } = await start();
    expect(await refusal(await post('/analyze', body))).toEqual({ status, message: expect.stringMatching(message) });
    expect(whydown.received).toEqual([]);
  });
});

describe('who may ask', () => {
  const routes = [
    ['POST', '/analyze'],
    ['GET', `/incidents?entityRef=${INVOICE_API}`],
    ['GET', '/incidents/abc123'],
    ['POST', '/incidents/abc123/feedback'],
  ] as const;

  it.each(routes)('%s %s is for users who signed in', async (method, path) => {
    const { ask } = await start();
    const as = async (authorization: string) => (await ask(path, { method, headers: { authorization } })).status;
    expect(await as(mockCredentials.none.header())).toBe(401);
    expect(await as(mockCredentials.user.invalidHeader())).toBe(401);
    expect(await as(mockCredentials.service.header())).toBe(403);
    expect(whydown.received).toEqual([]);
  });
});

describe('GET /incidents', () => {
  it("lists the entity's incidents, and none of another entity with that name", async () => {
    whydown.reply = json({
      incidents: [
        incident('a1', 'invoice-api', INVOICE_API),
        incident('a2', 'invoice-api', null),
        incident('a3', 'invoice-api', 'component:payments/invoice-api'),
      ],
    });
    const { ask } = await start();
    const response = await ask(`/incidents?entityRef=${INVOICE_API}`);
    const { incidents } = await response.json();
    expect(incidents.map((one: { id: string }) => one.id)).toEqual(['a1', 'a2']);
    expect(incidents[0].pageUrl).toBe(`${whydown.url}/incidents/a1`);
    expect(whydown.received[0].url).toBe('/incidents?service=invoice-api&limit=50');
  });

  it('gives as many as asked for', async () => {
    whydown.reply = json({ incidents: Array.from({ length: 9 }, (_, n) => incident(`a${n}`, 'invoice-api', null)) });
    const { ask } = await start();
    const count = async (query: string) =>
      (await (await ask(`/incidents?entityRef=${INVOICE_API}${query}`)).json()).incidents.length;
    expect(await count('')).toBe(5);
    expect(await count('&limit=2')).toBe(2);
    expect(await refusal(await ask(`/incidents?entityRef=${INVOICE_API}&limit=0`))).toMatchObject({ status: 400 });
  });

  it("percent-encodes the service's name", async () => {
    const { ask } = await start(catalog([component('invoice-api', { 'whydown.dev/service': 'a&status=done#?' })]));
    await ask(`/incidents?entityRef=${INVOICE_API}`);
    expect(whydown.received[0].url).toBe('/incidents?service=a%26status%3Ddone%23%3F&limit=50');
  });

  it('hides the incidents of an entity that the caller may not see', async () => {
    const { ask } = await start();
    expect(await refusal(await ask('/incidents?entityRef=payroll'))).toMatchObject({ status: 404 });
    expect(whydown.received).toEqual([]);
  });

  it('an annotation claims what nobody else bears, and what the caller sees anyway', async () => {
    const seen = component('ledger');
    const annotated = (service: string) => component('mine', { 'whydown.dev/service': service });
    const claimed = async (service: string, entityRef: string | null) => {
      whydown.reply = json({ incidents: [incident('a1', service, entityRef)] });
      const { ask, stop } = await start(catalog([annotated(service), seen], [component('payroll')]));
      const { incidents } = await (await ask('/incidents?entityRef=mine')).json();
      await stop();
      running = undefined;
      return incidents.length === 1;
    };
    expect(await claimed('mine-in-prometheus', null)).toBe(true);
    expect(await claimed('ledger', null)).toBe(true);
    expect(await claimed('ledger', 'component:default/ledger')).toBe(true);
    expect(await claimed('payroll', null)).toBe(false);
    expect(await claimed('payroll', 'component:default/payroll')).toBe(false);
  });

  it('says that an annotation is no name', async () => {
    const { ask } = await start(catalog([component('invoice-api', { 'whydown.dev/service': 'two words' })]));
    expect(await refusal(await ask(`/incidents?entityRef=${INVOICE_API}`))).toEqual({
      status: 400,
      message: expect.stringContaining('whydown.dev/service'),
    });
  });
});

describe('GET /incidents/:id', () => {
  it('shows an incident of an entity that the caller sees, and 304 while nothing changed', async () => {
    whydown.reply = json(incident('abc123', 'invoice-api', INVOICE_API), 200, { etag: 'W/"7"', 'retry-after': '2' });
    const { ask } = await start();

    const first = await ask('/incidents/abc123');
    expect(first.status).toBe(200);
    expect(first.headers.get('etag')).toBe('W/"7"');
    expect(first.headers.get('access-control-expose-headers')).toBe('ETag, Retry-After');
    expect(first.headers.get('cache-control')).toBe('private, no-cache');
    expect(await first.json()).toMatchObject({ id: 'abc123', pageUrl: `${whydown.url}/incidents/abc123` });

    const again = await ask('/incidents/abc123', { headers: { 'if-none-match': 'W/"7"' } });
    expect(again.status).toBe(304);
    expect(again.headers.get('retry-after')).toBe('2');
  });

  it('keeps to itself what may tell of other entities', async () => {
    const related = [{ id: 'def456', service: 'payroll', title: 'Salaries are late' }];
    whydown.reply = json({ ...incident('abc123', 'invoice-api', null), related, facts: [{ text: 'of payroll' }] });
    const { ask } = await start();
    expect(await (await ask('/incidents/abc123')).text()).not.toContain('payroll');
  });

  it.each([
    ['of an entity that the caller may not see', incident('abc123', 'payroll', 'component:default/payroll'), ''],
    ['of a service that the catalog does not know', incident('abc123', 'unheard-of', null), ''],
    ['of another entity than asked for', incident('abc123', 'payroll', null), `?entityRef=${INVOICE_API}`],
  ])('hides an incident %s as if there were none', async (_what, document, query) => {
    whydown.reply = json(document);
    const { ask } = await start();
    expect(await refusal(await ask(`/incidents/abc123${query}`))).toEqual({
      status: 404,
      message: 'there is no incident abc123 that you may see',
    });
  });

  it.each(['..%2Fusage', 'ABC', 'a%20b', 'a'.repeat(41), '%2e%2e'])('asks nothing for the id %s', async id => {
    const { ask } = await start();
    expect((await ask(`/incidents/${id}`)).status).toBe(404);
    expect(whydown.received).toEqual([]);
  });
});

describe('POST /incidents/:id/feedback', () => {
  it('passes a judgement on', async () => {
    whydown.reply = json(incident('abc123', 'invoice-api', INVOICE_API));
    const { post } = await start();
    const response = await post('/incidents/abc123/feedback', { verdict: 'partly', fixedBy: 'rollback' });
    expect(response.status).toBe(200);
    expect(whydown.received.map(one => [one.method, one.url, one.body])).toEqual([
      ['GET', '/incidents/abc123', ''],
      ['POST', '/incidents/abc123/feedback', '{"verdict":"partly","fixedBy":"rollback"}'],
    ]);
  });

  it('takes none of an incident that the caller may not see', async () => {
    whydown.reply = json(incident('abc123', 'payroll', 'component:default/payroll'));
    const { post } = await start();
    expect((await post('/incidents/abc123/feedback', { verdict: 'wrong' })).status).toBe(404);
    expect(whydown.received.map(one => one.method)).toEqual(['GET']);
  });
});

describe('POST /webhook/alert', () => {
  const ALERT = '{"serviceName": "invoice-api",  "alertTitle": "Error rate"}';
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

  it("passes the sender's bytes on when it shows the token", async () => {
    whydown.reply = json(ACCEPTED, 202);
    const { post } = await start();
    const response = await post('/webhook/alert', ALERT, { ...bearer(WEBHOOK_TOKEN), 'content-type': 'text/plain' });
    expect(response.status).toBe(202);
    expect(await response.json()).toEqual(ACCEPTED);
    const [sent] = whydown.received;
    expect([sent.method, sent.url, sent.body]).toEqual(['POST', '/webhook/alert', ALERT]);
    expect(sent.headers['content-type']).toBe('application/json');
    expect(sent.headers.authorization).toBe(`Bearer ${WEBHOOK_TOKEN}`);
  });

  it.each([
    ['no token', mockCredentials.none.header()],
    ['another token', 'Bearer wrong'],
    ["Whydown's API token", `Bearer ${API_TOKEN}`],
    ["a user's token", mockCredentials.user.header()],
  ])('refuses %s', async (_what, authorization) => {
    const { post } = await start();
    expect(await refusal(await post('/webhook/alert', ALERT, { authorization }))).toMatchObject({ status: 401 });
    expect(whydown.received).toEqual([]);
  });

  it('is closed while no token is configured', async () => {
    const { post } = await start(undefined, {});
    expect(await refusal(await post('/webhook/alert', ALERT, bearer('')))).toEqual({
      status: 501,
      message: expect.stringContaining('whydown.webhookToken'),
    });
    expect(whydown.received).toEqual([]);
  });

  it('refuses a body beyond the limit', async () => {
    const { post } = await start();
    expect((await post('/webhook/alert', 'x'.repeat(2 ** 21), bearer(WEBHOOK_TOKEN))).status).toBe(413);
    expect(whydown.received).toEqual([]);
  });

  it("says what Whydown says of a body that it cannot read", async () => {
    whydown.reply = problem(422, 'serviceName is missing or no text');
    const { post } = await start();
    expect(await refusal(await post('/webhook/alert', '{}', bearer(WEBHOOK_TOKEN)))).toEqual({
      status: 400,
      message: 'serviceName is missing or no text',
    });
  });
});

describe('when Whydown does not answer well', () => {
  it.each([
    ['refuses the token', problem(401, `not ${API_TOKEN}`), 502, /whydown.apiToken must be/],
    ['has no room', problem(503, 'the database is away'), 503, /the database is away/],
    ['fails', json({}, 500), 502, /status 500/],
    ['redirects', json({}, 302, { location: 'http://127.0.0.1:1/' }), 502, /status 302/],
    ['is something else', json({ hello: 'world' }), 502, /whydown.baseUrl/],
    ['is a page', json('<html>', 200), 502, /whydown.baseUrl/],
    ['is too long', json('x'.repeat(9 * 2 ** 20)), 502, /more than 8 MiB/],
  ] as const)('it %s', async (_what, reply, status, message) => {
    whydown.reply = reply;
    const { ask } = await start();
    expect(await refusal(await ask(`/incidents?entityRef=${INVOICE_API}`))).toEqual({
      status,
      message: expect.stringMatching(message),
    });
  });

  it('cannot be reached', async () => {
    const { ask, logger } = await start();
    await whydown.stop();
    expect(await refusal(await ask(`/incidents?entityRef=${INVOICE_API}`))).toEqual({
      status: 503,
      message: expect.stringContaining('Whydown cannot be reached'),
    });
    expect(logger.warn).toHaveBeenCalledWith('Whydown did not answer GET /incidents: ECONNREFUSED');
    whydown = await WhydownServer.start();
  });
});

describe('app-config.yaml', () => {
  it.each([
    ['baseUrl', { baseUrl: 'whydown:8000' }],
    ['baseUrl', { baseUrl: 'http://user:secret@whydown' }],
    ['publicUrl', { baseUrl: 'http://whydown', publicUrl: 'javascript:alert(1)' }],
    ['apiToken', { baseUrl: 'http://whydown', apiToken: 'two words' }],
  ])('a wrong whydown.%s stops start-up and is named', async (key, settings) => {
    await expect(backstage(settings, catalog([]))).rejects.toThrow(`whydown.${key}`);
  });
});
