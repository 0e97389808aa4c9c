/**
 * Whydown in Backstage's frontend: the default export is for the new frontend system, `EntityWhydownCard` for the legacy one.
 *
 * @packageDocumentation
 */

export { type Look, type WhydownApi, WhydownClient, whydownApiRef } from './api';
export { isWhydownAvailable, WHYDOWN_SERVICE_ANNOTATION } from './availability';
export type * from './incident';
export { EntityWhydownCard, EntityWhydownCard as IncidentCard, whydownLegacyPlugin } from './legacy';
export { whydownPlugin as default } from './plugin';
