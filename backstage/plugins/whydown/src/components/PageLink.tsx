import { Link } from '@backstage/core-components';
import type { ReactNode } from 'react';

/** A link to Whydown's page of an incident; plain text where the backend gave no web address. */
export function PageLink({ url, children }: { url: string; children: ReactNode }) {
  return /^https?:\/\//i.test(url) ? <Link to={url}>{children}</Link> : <>{children}</>;
}
