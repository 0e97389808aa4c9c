/** Where an incident stands. */
export type Status = 'queued' | 'gathering' | 'diagnosing' | 'done' | 'skipped' | 'failed' | 'cancelled';

/** An incident in a list. Times are RFC 3339. */
export interface IncidentSummary {
  readonly id: string;
  readonly status: Status;
  readonly service: string;
  readonly title: string;
  readonly severity: string;
  readonly startedAt: string;
  /** The probable cause in a sentence, as soon as there is one. */
  readonly cause?: string | null;
  /** Why it was skipped, failed or cancelled, and what to do about it. */
  readonly detail?: string | null;
  /** Whydown's page of it. */
  readonly pageUrl: string;
}

/** What a statement rests on; `verified` says that code found the quote in a gathered fact. */
export interface Citation {
  readonly fact: string;
  readonly quote: string;
  readonly verified: boolean;
}

/** One piece of evidence for the cause. */
export interface Evidence extends Citation {
  readonly statement: string;
}

/** Something for the engineer to do. */
export interface SuggestedAction {
  readonly kind: 'immediate' | 'verify' | 'afterFix';
  readonly text: string;
  readonly command?: string | null;
}

/** A hypothesis with its evidence. */
export interface Diagnosis {
  readonly probableCause: {
    readonly statement: string;
    /** 0 to 1. */
    readonly confidence: number;
    readonly citations: readonly Citation[];
  };
  readonly evidence: readonly Evidence[];
  readonly suggestedActions: readonly SuggestedAction[];
  readonly relatedServices: readonly {
    readonly service: string;
    readonly reason: string;
    readonly inCatalog: boolean;
  }[];
  readonly missingData: readonly string[];
  readonly producedBy: {
    readonly stage: 'brief' | 'model';
    readonly model?: string | null;
    /** Why the brief had to stand in for the model. */
    readonly reason?: string | null;
  };
}

/** What came of asking a source. */
export interface Coverage {
  readonly source: string;
  readonly status: 'ok' | 'empty' | 'timeout' | 'denied' | 'error' | 'notConfigured';
  readonly detail?: string | null;
}

/** What people said of a diagnosis. */
export type Verdict = 'right' | 'partly' | 'wrong';

/** The parts of an incident that the card shows. */
export interface Incident extends IncidentSummary {
  readonly coverage: readonly Coverage[];
  readonly diagnosis?: Diagnosis | null;
  /** The incident whose analysis covers this one, which has none of its own then. */
  readonly coveredBy?: { readonly service: string; readonly title: string } | null;
  readonly feedback?: { readonly verdict: Verdict } | null;
}

/** Whether nothing more will happen by itself. */
export function isFinished(incident: IncidentSummary): boolean {
  return ['done', 'skipped', 'failed', 'cancelled'].includes(incident.status);
}
