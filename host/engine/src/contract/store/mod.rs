//! What every store does, whatever it is made of. `store_contract!` runs all of it against one.

// These are tests, compiled as a library so that adapters in other crates can run them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod blobs;
pub mod documents;
pub mod erasing;
pub mod executions;
pub mod journals;
pub mod listing;
pub mod model;
pub mod purge;
pub mod sizes;
pub mod transitions;

mod sample;

use crate::ports::Store;
use std::sync::Arc;

/// A place where a store's data lives, for one test.
#[async_trait::async_trait]
pub trait Subject: Send {
    /// Opens the store: an empty one at first, later one with all that was acknowledged. Handles that were given
    /// before have been dropped by then.
    async fn open(&mut self) -> Arc<dyn Store>;
}

/// Makes one test of each rule. The argument is an expression that makes a new [`Subject`]; the calling crate needs
/// `tokio` with `macros`.
#[macro_export]
macro_rules! store_contract {
    ($subject:expr) => {
        $crate::store_contract! { @tests $subject;
            transitions:
                a_refused_transition_leaves_no_trace
                a_later_transition_of_a_group_sees_the_earlier_ones
                a_group_of_any_length_is_answered_in_its_order
                what_was_acknowledged_is_there_after_reopening
                concurrent_groups_are_each_written_once;
            journals:
                a_gap_or_a_repetition_in_a_journal_is_a_conflict
                one_claim_writes_many_lines
                journals_are_read_by_pages;
            executions:
                records_are_replaced
                unfinished_executions_are_found_until_they_end
                unfinished_executions_are_paged_in_the_order_of_their_keys
                only_the_lease_of_the_shard_lets_write;
            listing:
                a_status_may_go_any_way
                wakes_come_in_the_order_of_time
                records_that_make_no_sense_are_refused
                lists_show_the_newest_first
                a_list_goes_on_at_any_place
                a_list_looks_at_a_bounded_number_of_executions;
            documents:
                expectations_decide_whether_a_document_is_written
                documents_of_a_prefix_are_paged_in_order
                awkward_keys_are_kept_apart
                keys_that_the_port_does_not_allow_are_refused
                tenants_never_see_each_other;
            sizes:
                values_of_every_size_read_back_exactly
                large_values_can_be_expected;
            blobs:
                blobs_are_kept_by_digest;
            erasing:
                an_erased_execution_leaves_nothing_and_takes_nothing_with_it
                what_has_not_ended_is_not_erased
                only_the_lease_of_the_shard_lets_erase;
            purge:
                a_purged_tenant_leaves_nothing_and_takes_nothing_with_it;
        }

        #[test]
        fn the_store_agrees_with_the_model() {
            $crate::contract::store::model::agrees(|| Box::new($subject));
        }
    };
    (@tests $subject:expr; $($area:ident: $($rule:ident)+;)+) => {
        $($(
            #[tokio::test]
            async fn $rule() {
                $crate::contract::store::$area::$rule(&mut $subject).await;
            }
        )+)+
    };
}

#[cfg(test)]
mod tests {
    use super::Subject;
    use crate::fakes::MemoryStore;
    use crate::ports::Store;
    use std::sync::Arc;

    #[derive(Default)]
    struct Memory(Option<Arc<MemoryStore>>);

    #[async_trait::async_trait]
    impl Subject for Memory {
        async fn open(&mut self) -> Arc<dyn Store> {
            let store = Arc::new(self.0.take().map_or_else(MemoryStore::new, |last| last.reopen()));
            self.0 = Some(Arc::clone(&store));
            store
        }
    }

    crate::store_contract!(Memory::default());

    #[test]
    fn every_rule_is_run() {
        let rules = [
            include_str!("blobs.rs"),
            include_str!("documents.rs"),
            include_str!("erasing.rs"),
            include_str!("executions.rs"),
            include_str!("journals.rs"),
            include_str!("listing.rs"),
            include_str!("purge.rs"),
            include_str!("sizes.rs"),
            include_str!("transitions.rs"),
        ];
        let here = include_str!("mod.rs");
        let (list, _) = here.split_once("(@tests").unwrap();
        for rule in rules.iter().flat_map(|file| file.split("\npub async fn ").skip(1)) {
            let name = rule.split('(').next().unwrap();
            assert!(list.contains(name), "{name} is a rule that no store is asked to keep");
        }
    }
}
