import Typography from '@material-ui/core/Typography';
import type { ReactNode } from 'react';

/** The heading of a part of the card. */
export function Heading({ children }: { children: ReactNode }) {
  return (
    <Typography variant="subtitle1" component="h3" style={{ fontWeight: 'bold' }}>
      {children}
    </Typography>
  );
}
