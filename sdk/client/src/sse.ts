// Server-sent events out of bytes, however they are cut (https://html.spec.whatwg.org/multipage/server-sent-events.html).

/** One event. */
export interface ServerSentEvent {
  /** `message` if the server gave no other. */
  type: string;
  data: string;
  /** Of this event, or of the last one before it that had one. */
  lastEventId: string | undefined;
}

/** More of one event than any line of a journal has. */
const LONGEST = 64 << 20;

export class Parser {
  /** How long the server wants its clients to wait before they connect again, in milliseconds. */
  retry: number | undefined;
  private readonly decoder = new TextDecoder();
  /** A line that is not complete yet, in parts: most come whole, and a long one is put together once. */
  private parts: string[] = [];
  private length = 0;
  /** The last character was a CR: an LF that follows belongs to it. */
  private afterCr = false;
  private type = '';
  private data: string[] = [];
  private lastEventId: string | undefined;

  /** The events that these bytes complete. */
  push(bytes: Uint8Array): ServerSentEvent[] {
    // A byte order mark at the start is taken away by the decoder.
    let text = this.decoder.decode(bytes, { stream: true });
    if (this.afterCr && text.startsWith('\n')) text = text.slice(1);
    if (text !== '') this.afterCr = text.endsWith('\r');
    const events: ServerSentEvent[] = [];
    let from = 0;
    for (const end of text.matchAll(/\r\n|\n|\r/g)) {
      this.line(this.parts.join('') + text.slice(from, end.index), events);
      this.parts = [];
      from = end.index + end[0].length;
    }
    if (from < text.length) this.parts.push(text.slice(from));
    this.length = this.parts.length === 0 && this.data.length === 0 ? 0 : this.length + text.length;
    if (this.length > LONGEST) throw new Error(`an event is longer than ${LONGEST} characters`);
    return events;
  }

  private line(line: string, events: ServerSentEvent[]): void {
    if (line === '') return this.dispatch(events);
    const colon = line.indexOf(':');
    if (colon === 0) return; // a comment, to keep the connection alive
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.data.push(value);
    else if (field === 'event') this.type = value;
    else if (field === 'id' && !value.includes('\0')) this.lastEventId = value;
    else if (field === 'retry' && /^\d{1,9}$/.test(value)) this.retry = Number(value);
  }

  private dispatch(events: ServerSentEvent[]): void {
    const { type, data, lastEventId } = this;
    this.type = '';
    this.data = [];
    if (data.length > 0) events.push({ type: type || 'message', data: data.join('\n'), lastEventId });
  }
}
