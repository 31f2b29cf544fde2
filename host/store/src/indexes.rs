//! The keys that follow from a record: where lists and starts find its execution.

use crate::keys::{Keys, in_list};
use stepwell_engine::ports::{ExecutionKey, ListPlace, RecordStatus, Summary};

/// All of them. Their values are empty.
pub(crate) fn indexes(of: ExecutionKey, summary: &Summary) -> impl Iterator<Item = Vec<u8>> + use<> {
    let keys = Keys::of(of.tenant);
    let open = (summary.status == RecordStatus::Unfinished).then(|| keys.open(of.id));
    let wake = summary.wake.map(|due| keys.wake(due, of.id));
    let place = ListPlace { created: summary.created, id: of.id };
    let lists = [keys.of_status(summary.status), keys.of_workflow(&summary.workflow)];
    lists.into_iter().map(move |list| in_list(list, place)).chain(open).chain(wake)
}
