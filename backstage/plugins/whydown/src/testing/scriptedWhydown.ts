import type { Look, WhydownApi } from '../api';
import type { Incident, IncidentSummary, Verdict } from '../incident';

/** Answers one look after the other as written down; the last one again and again. */
export class ScriptedWhydown implements WhydownApi {
  readonly analyzed: [entityRef: string, errors: string][] = [];
  readonly judged: [id: string, verdict: Verdict][] = [];
  readonly knownAtLook: (Look | undefined)[] = [];
  refuses?: Error;
  listed: readonly IncidentSummary[] | Error | Promise<never> = [];

  constructor(private readonly looks: (Incident | Error)[] = []) {}

  async analyze(entityRef: string, errors: string): Promise<string> {
    this.analyzed.push([entityRef, errors]);
    if (this.refuses) {
      throw this.refuses;
    }
    return 'abc123';
  }

  async incidents(): Promise<readonly IncidentSummary[]> {
    if (this.listed instanceof Error) {
      throw this.listed;
    }
    return this.listed;
  }

  async look(_id: string, _entityRef: string, known?: Look): Promise<Look> {
    this.knownAtLook.push(known);
    const next = this.looks.length > 1 ? this.looks.shift() : this.looks[0];
    if (next === undefined || next instanceof Error) {
      throw next;
    }
    return { incident: next, etag: `W/"${this.knownAtLook.length}"`, againAfterSeconds: 0.01 };
  }

  async judge(id: string, _entityRef: string, verdict: Verdict): Promise<void> {
    this.judged.push([id, verdict]);
  }
}
