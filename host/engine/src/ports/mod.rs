//! What the engine needs of the world, as traits. Adapters implement them; none knows another.

mod clock;
mod egress;
mod erasing;
mod host;
mod kinds;
mod listing;
mod notes;
mod runtime;
mod scrubbing;
mod store;
mod uploading;

pub use clock::{Clock, Entropy};
pub use egress::{Connection, Egress, NoEgress};
pub use erasing::{Erased, Erasure};
pub use host::{
    Answer, Ask, Draft, Expected, HTTP_REQUEST_BYTES, Host, HttpBody, HttpFault, HttpFaultKind, HttpRequest,
    HttpResponse, HttpTimeouts, NoHost, Refusal, Refused, SecretText,
};
pub use listing::{DocumentList, ExecutionFilter, ExecutionList, LIST_LOOKS, ListPlace, Summary};
pub use notes::{Note, NoteSlot, Notes};
pub use runtime::{
    Artifact, ComponentSource, Fault, Form, FunctionMeta, Invocation, InvocationContext, InvocationLimits, Kind,
    LogLine, Outcome, Place, Prepared, Runtime, RuntimeError, Unfit, Usage,
};
pub use scrubbing::{Damage, ScrubPlace, Scrubbed};
pub use store::{
    Claim, CommitError, DiskUse, DocumentKind, DocumentWrite, ExecutionKey, Expect, KEY_BYTES, Lease, Line,
    OUTLINE_BYTES, Page, Record, RecordStatus, Store, StoreError, Transition,
};
pub use uploading::{Phase, UploadState, Uploading};
