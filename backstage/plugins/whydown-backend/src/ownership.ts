import type { AuthService, BackstageCredentials } from '@backstage/backend-plugin-api';
import { DEFAULT_NAMESPACE, type Entity, parseEntityRef, stringifyEntityRef } from '@backstage/catalog-model';
import { InputError, NotFoundError } from '@backstage/errors';
import type { CatalogService } from '@backstage/plugin-catalog-node';

/** The annotation that names an entity's service where Whydown knows it by another name. */
export const SERVICE_ANNOTATION = 'whydown.dev/service';

/** What says whose an incident is. */
export interface Owned {
  readonly service: string;
  /** The entity that Whydown found for it; null where its catalog has none. */
  readonly entityRef?: string | null;
}

/** The name that Whydown knows an entity by. Throws InputError when the annotation holds no such name. */
export function serviceOf(entity: Entity): string {
  const named = entity.metadata.annotations?.[SERVICE_ANNOTATION];
  if (named !== undefined && !/^[^\s:/]{1,128}$/.test(named)) {
    throw new InputError(`the annotation ${SERVICE_ANNOTATION} must be a service's name: 1 to 128 characters, no space, colon or slash`);
  }
  return named ?? entity.metadata.name;
}

/** What Whydown is told to look at. */
export function subjectOf(entity: Entity): string {
  const service = serviceOf(entity);
  const { kind, metadata } = entity;
  return service === metadata.name ? `${kind}:${metadata.namespace ?? DEFAULT_NAMESPACE}/${service}` : service;
}

/** The entity that an incident belongs to where none claims it by annotation. */
export function ownerOf(incident: Owned): string {
  return (incident.entityRef || namesake(incident.service)).toLowerCase();
}

/** Which entities a caller may see, and which incidents with them. */
export class Ownership {
  constructor(
    private readonly catalog: CatalogService,
    private readonly auth: AuthService,
  ) {}

  /**
   * An entity as the caller sees it. `ref` is `[kind:][namespace/]name`, of a component in the default namespace where
   * it says nothing else.
   *
   * Throws InputError when it is no reference, NotFoundError when the caller sees no such entity.
   */
  async entity(ref: string, credentials: BackstageCredentials): Promise<Entity> {
    const entity = await this.catalog.getEntityByRef(compound(ref), { credentials });
    if (!entity) {
      throw new NotFoundError(`${ref} is not in the catalog, or you may not see it`);
    }
    return entity;
  }

  /**
   * Those of the incidents that are the entity's, or that its annotation claims for it. An incident of another entity is
   * claimed only for those who see that entity too: an annotation is no key to what its writer may not see.
   */
  async of<T extends Owned>(entity: Entity, incidents: readonly T[], credentials: BackstageCredentials): Promise<T[]> {
    const own = stringifyEntityRef(entity);
    const service = serviceOf(entity);
    const named = incidents.filter(one => ownerOf(one) === own || same(one.service, service));
    const others = [...new Set(named.map(ownerOf))].filter(ref => ref !== own);
    const claimed = others.length ? await this.claimed(entity, named, others, credentials) : new Set<string>();
    return named.filter(one => ownerOf(one) === own || claimed.has(ownerOf(one)));
  }

  private async claimed(
    entity: Entity,
    incidents: readonly Owned[],
    refs: string[],
    credentials: BackstageCredentials,
  ): Promise<Set<string>> {
    const annotated = entity.metadata.annotations?.[SERVICE_ANNOTATION] !== undefined;
    const found = new Set(incidents.filter(one => one.entityRef).map(ownerOf));
    const [seen, existing] = await Promise.all([
      this.known(refs, credentials),
      this.known(refs, await this.auth.getOwnServiceCredentials()),
    ]);
    return new Set(refs.filter(ref => (annotated && seen.has(ref)) || !(found.has(ref) || existing.has(ref))));
  }

  private async known(entityRefs: string[], credentials: BackstageCredentials): Promise<Set<string>> {
    const fields = ['kind', 'metadata.name', 'metadata.namespace'];
    const { items } = await this.catalog.getEntitiesByRefs({ entityRefs, fields }, { credentials });
    return new Set(items.flatMap(item => (item ? [stringifyEntityRef(item)] : [])));
  }
}

function namesake(service: string): string {
  return `component:${DEFAULT_NAMESPACE}/${service}`;
}

function same(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

function compound(ref: string) {
  try {
    return parseEntityRef(ref, { defaultKind: 'component', defaultNamespace: DEFAULT_NAMESPACE });
  } catch {
    throw new InputError('entityRef must be an entity reference: component:default/invoice-api');
  }
}
