// Schedules: when workflows start by the clock.

import type { CallOptions, Transport } from './transport.js';
import { id, object } from './transport.js';
import type { Page, Schedule, ScheduleFirings } from './types.js';
import type { Part } from './workflows.js';

/** Which schedules are listed. */
export interface ScheduleFilter extends Part {
  workflow?: string;
}

/** Of `backfill`. */
export interface BackfillRequest {
  from: string | Date;
  to: string | Date;
  /** Also occurrences that have run already. */
  again?: boolean;
}

export class Schedules {
  constructor(private readonly transport: Transport) {}

  async list(filter: ScheduleFilter = {}, options: CallOptions = {}): Promise<Page<Schedule>> {
    return this.transport.call({ method: 'GET', path: ['schedules'], query: { ...filter }, ...options });
  }

  /** A schedule with its latest firings. Its id is the workflow's, `~`, and the trigger's `config.id` or place. */
  async get(scheduleId: string, options: CallOptions = {}): Promise<ScheduleFirings> {
    return this.transport.call({ method: 'GET', path: schedule(scheduleId), ...options });
  }

  /** From now on it starts nothing by itself. */
  async pause(scheduleId: string, options: CallOptions = {}): Promise<Schedule> {
    const path = [...schedule(scheduleId), 'pause'];
    return this.transport.call({ method: 'POST', path, body: {}, repeatable: true, ...options });
  }

  async resume(scheduleId: string, options: CallOptions = {}): Promise<Schedule> {
    const path = [...schedule(scheduleId), 'resume'];
    return this.transport.call({ method: 'POST', path, body: {}, repeatable: true, ...options });
  }

  /** Starts what it starts, now. */
  async run(scheduleId: string, options: CallOptions = {}): Promise<{ executionId: string }> {
    return this.transport.call({ method: 'POST', path: [...schedule(scheduleId), 'run'], body: {}, ...options });
  }

  /** Starts what it would have started between two moments. */
  async backfill(
    scheduleId: string,
    span: BackfillRequest,
    options: CallOptions = {},
  ): Promise<{ occurrences: number; starting: number; items: any[] }> {
    const path = [...schedule(scheduleId), 'backfill'];
    return this.transport.call({ method: 'POST', path, body: object('span', span), ...options });
  }
}

function schedule(scheduleId: string): string[] {
  return ['schedules', id('id', scheduleId)];
}
