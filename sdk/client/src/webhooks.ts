// What came to the webhooks, what became of it, and once again.

import type { CallOptions, Transport } from './transport.js';
import { id } from './transport.js';
import type { Page, WebhookDelivery } from './types.js';
import type { Part } from './workflows.js';

/** Which deliveries are listed. */
export interface DeliveryFilter extends Part {
  workflow?: string;
  status?: WebhookDelivery['status'] | readonly WebhookDelivery['status'][];
}

export class Webhooks {
  constructor(private readonly transport: Transport) {}

  /** Deliveries, the newest first, without their headers and bodies. */
  async deliveries(filter: DeliveryFilter = {}, options: CallOptions = {}): Promise<Page<WebhookDelivery>> {
    return this.transport.call({ method: 'GET', path: ['webhook-deliveries'], query: { ...filter }, ...options });
  }

  /** A delivery with its headers, query and body, unless it was refused. */
  async delivery(deliveryId: string, options: CallOptions = {}): Promise<WebhookDelivery> {
    return this.transport.call({ method: 'GET', path: ['webhook-deliveries', id('id', deliveryId)], ...options });
  }

  /** Takes a delivery's content once more, as a new delivery. */
  async replay(
    deliveryId: string,
    options: CallOptions = {},
  ): Promise<{ executionId: string | null; deliveryId: string; code?: string }> {
    const path = ['webhook-deliveries', id('id', deliveryId), 'replay'];
    return this.transport.call({ method: 'POST', path, body: {}, ...options });
  }
}
