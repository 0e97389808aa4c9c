import { Progress } from '@backstage/core-components';
import { useApi } from '@backstage/core-plugin-api';
import List from '@material-ui/core/List';
import ListItem from '@material-ui/core/ListItem';
import ListItemText from '@material-ui/core/ListItemText';
import Typography from '@material-ui/core/Typography';
import { useEffect, useState } from 'react';
import { whydownApiRef } from '../api';
import type { IncidentSummary } from '../incident';
import { Heading } from './Heading';
import { RefusalPanel } from './RefusalPanel';

interface RecentIncidentsProps {
  readonly entityRef: string;
  readonly name: string;
  /** The incident that the card shows; the list is read again when another is shown, or `changes` changes. */
  readonly shown?: string;
  readonly changes: number;
  readonly onShow: (id: string) => void;
}

/** The entity's latest incidents; a click shows one in the card. */
export function RecentIncidents({ entityRef, name, shown, changes, onShow }: RecentIncidentsProps) {
  const api = useApi(whydownApiRef);
  const [tries, setTries] = useState(0);
  const [read, setRead] = useState<{ incidents?: readonly IncidentSummary[]; error?: Error }>({});

  useEffect(() => {
    let left = false;
    api.incidents(entityRef).then(
      incidents => left || setRead({ incidents }),
      error => left || setRead({ error }),
    );
    return () => {
      left = true;
    };
  }, [api, entityRef, shown, changes, tries]);

  return (
    <section aria-label="Recent incidents">
      <Heading>Recent incidents</Heading>
      {!read.incidents && !read.error && <Progress />}
      {read.error && <RefusalPanel error={read.error} onRetry={() => setTries(tries + 1)} />}
      {read.incidents?.length === 0 && <Typography variant="body2">None of {name} so far.</Typography>}
      <List dense disablePadding>
        {read.incidents?.map(incident => (
          <ListItem key={incident.id} button selected={incident.id === shown} onClick={() => onShow(incident.id)}>
            <ListItemText
              secondaryTypographyProps={{ style: { whiteSpace: 'normal' } }}
              primary={`${incident.title} (${incident.status})`}
              secondary={`${new Date(incident.startedAt).toLocaleString()}${incident.cause ? `: ${incident.cause}` : ''}`}
            />
          </ListItem>
        ))}
      </List>
    </section>
  );
}
