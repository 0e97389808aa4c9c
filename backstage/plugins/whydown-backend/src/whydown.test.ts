import { mockServices } from '@backstage/backend-test-utils';
import { Whydown } from './whydown';
import { WhydownServer } from './testing/whydownServer';

it('gives up on a Whydown that begins to answer and never ends', async () => {
  const server = await WhydownServer.start();
  server.reply = (_received, res) => {
    res.writeHead(200, { 'content-type': 'application/json' }).write('{"incidents": [');
  };
  const logger = mockServices.logger.mock();
  const whydown = new Whydown(server.url, logger, 200);
  await expect(whydown.ask({ method: 'GET', path: '/incidents' })).rejects.toThrow('Whydown cannot be reached');
  expect(logger.warn).toHaveBeenCalledWith('Whydown did not answer GET /incidents: TimeoutError');
  await server.stop();
});
