//! Signed links with which one person answers one approval, without a key of their own (semantics H6). Nothing is stored for a link. It works
//! once, because everybody answers once.

use crate::Error;
use crate::answers::{BY_BYTES, check_name, may_answer};
use crate::engine::Engine;
use crate::tokens::Purpose;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stepwell_core::execution::{Answer, Wait};
use stepwell_core::ids::TenantId;
use stepwell_core::payload::Payload;
use stepwell_core::time::Timestamp;

/// How long a link works, milliseconds: as long as people take who are away for a while. Where an approval may wait longer, a new one can be
/// had at any time.
const LINK_MS: u64 = 30 * 24 * 60 * 60 * 1_000;
/// Most groups that a link carries: it has to fit into an address.
const GROUPS: usize = 50;

/// What is signed: which approval, whose answer, until when.
#[derive(Debug, Serialize, Deserialize)]
struct Link {
    tenant: TenantId,
    approval: String,
    by: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    until: Timestamp,
}

/// A link as it is given away.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalLink {
    /// Who answers with it.
    pub approver: String,
    /// Where they go. Whoever has it can answer in their name: it is a secret between the sender and them.
    pub url: String,
    /// RFC 3339.
    pub expires_at: String,
}

/// What somebody sees who follows a link.
#[derive(Debug)]
pub struct LinkedApproval {
    /// Whose approval it is.
    pub tenant: TenantId,
    /// Its id.
    pub id: String,
    /// Whose link it is.
    pub by: String,
    /// The approval as the API shows it.
    pub view: Value,
}

/// What somebody says who followed a link.
#[derive(Debug)]
pub struct LinkedAnswer {
    /// Whether they approve.
    pub approved: bool,
    /// What they say beside.
    pub comment: Option<String>,
    /// The filled-in form.
    pub data: Option<Payload>,
}

impl Engine {
    /// A link for this person. `groups` are those of their key.
    ///
    /// # Errors
    /// [`Error::NotFound`]; what [`Engine::answer_approval`] would say of an answer of this person now.
    pub async fn approval_link(
        &self,
        tenant: TenantId,
        id: &str,
        (by, mut groups): (&str, Vec<String>),
    ) -> Result<ApprovalLink, Error> {
        self.accepting()?;
        check_name("approver", by)?;
        let (live, run) = self.asked(tenant, id).await?;
        let execution = live.execution();
        // A person of a listed group needs that group, and no other.
        let expires = match execution.run(run).and_then(|run| run.wait.as_deref()) {
            Some(Wait::Approval(approval)) => {
                let listed = approval.approvers.as_deref().unwrap_or_default();
                groups.retain(|group| listed.contains(group));
                groups.truncate(GROUPS);
                approval.expires
            }
            _ => None,
        };
        let (comment, data) = (None, None);
        let answer = Answer { by: by.to_owned(), groups: groups.clone(), approved: true, comment, data };
        may_answer(&execution, &live.workflow, run, &answer)?;
        let from = self.inner.ports.clock.now();
        Ok(self.link(Link { tenant, approval: id.to_owned(), by: answer.by, groups, until: until(from, expires) }))
    }

    /// The links of these people, for an event that tells them. The same whenever it is made.
    pub(crate) fn links_for(
        &self,
        (tenant, approval): (TenantId, &str),
        people: &[String],
        (opened, expires): (Timestamp, Option<Timestamp>),
    ) -> Vec<ApprovalLink> {
        let fits =
            |by: &&String| !by.starts_with("group:") && by.len() <= BY_BYTES && check_name("approver", by).is_ok();
        let link = |by: &String| {
            let (approval, by, groups) = (approval.to_owned(), by.clone(), Vec::new());
            self.link(Link { tenant, approval, by, groups, until: until(opened, expires) })
        };
        people.iter().filter(fits).map(link).collect()
    }

    fn link(&self, link: Link) -> ApprovalLink {
        let token = self.inner.signer.sign(Purpose::Approval, &link);
        let url = format!("{}/approve/{token}", self.inner.ports.public_url);
        ApprovalLink { approver: link.by, url, expires_at: link.until.rfc3339() }
    }

    /// What a link leads to; looking changes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it is none of ours; [`Error::Conflict`] (`link_expired`); [`Error::Forbidden`] `tenant_suspended`.
    pub async fn linked_approval(&self, token: &str) -> Result<LinkedApproval, Error> {
        let link = self.read_link(token)?;
        let view = self.approval(link.tenant, &link.approval).await?;
        Ok(LinkedApproval { tenant: link.tenant, id: link.approval, by: link.by, view })
    }

    /// Answers with a link; the approval as it is afterwards.
    ///
    /// # Errors
    /// As [`Engine::linked_approval`] and [`Engine::answer_approval`].
    pub async fn answer_by_link(&self, token: &str, said: LinkedAnswer) -> Result<LinkedApproval, Error> {
        let Link { tenant, approval, by, groups, until: _ } = self.read_link(token)?;
        let LinkedAnswer { approved, comment, data } = said;
        let answer = Answer { by: by.clone(), groups, approved, comment, data };
        let view = self.answer_approval(tenant, &approval, answer).await?;
        Ok(LinkedApproval { tenant, id: approval, by, view })
    }

    fn read_link(&self, token: &str) -> Result<Link, Error> {
        let link = self.inner.signer.read(Purpose::Approval, token);
        let link: Link = link.ok_or_else(|| Error::NotFound { what: "link", id: String::new() })?;
        self.inner.tenants.check(link.tenant)?;
        if link.until > self.inner.ports.clock.now() {
            return Ok(link);
        }
        let message = "this link has expired; ask for a new one".to_owned();
        Err(Error::Conflict { code: "link_expired", message })
    }
}

fn until(from: Timestamp, expires: Option<Timestamp>) -> Timestamp {
    let latest = from.plus(LINK_MS);
    // A late answer is told that it is late, rather than that its link is old.
    expires.map_or(latest, |expires| latest.min(expires.plus(LINK_MS)))
}
