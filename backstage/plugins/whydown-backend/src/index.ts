/**
 * Whydown in Backstage's backend.
 *
 * @packageDocumentation
 */

export { whydownPlugin as default } from './plugin';
