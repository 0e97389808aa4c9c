import type { Entity } from '@backstage/catalog-model';

/** The annotation that names an entity's service where Whydown knows it by another name. */
export const WHYDOWN_SERVICE_ANNOTATION = 'whydown.dev/service';

/** Whether the card has anything to say of an entity: components, and whatever carries the annotation. */
export function isWhydownAvailable(entity: Entity): boolean {
  const annotated = entity.metadata.annotations?.[WHYDOWN_SERVICE_ANNOTATION] !== undefined;
  return annotated || entity.kind.toLowerCase() === 'component';
}
