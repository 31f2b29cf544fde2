//! Tenants come, change and go: each change is durable before it is true.

use super::{DEFAULT, Tenant, TenantStatus, Tenants};
use crate::Error;
use crate::ports::{DocumentKind, DocumentWrite, Expect, Transition};
use crate::quotas::Quotas;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwell_core::ids::TenantId;

/// `tenants`: all are in memory, and a start looks after each of them.
const TENANTS: usize = 10_000;
/// Longest id: it stands in addresses, and may become a host's name.
const ID_BYTES: usize = 63;
/// Longest name, and longest value of a label, bytes.
const TEXT_BYTES: usize = 200;
/// Labels of a tenant.
const LABELS: usize = 32;
/// Where the last number is kept that was given.
const LAST: &str = "last-tenant";

/// What a tenant begins with.
#[derive(Debug, Clone, Default)]
pub struct NewTenant {
    /// What the API calls it.
    pub id: String,
    /// For people.
    pub name: Option<String>,
    /// What the operator wants to know about it.
    pub labels: BTreeMap<String, String>,
    /// What it may use.
    pub quotas: Quotas,
}

/// What changes; `None`: it stays as it is.
#[derive(Debug, Clone, Default)]
pub struct TenantChange {
    /// For people; `Some(None)`: it has none any more.
    pub name: Option<Option<String>>,
    /// All of them.
    pub labels: Option<BTreeMap<String, String>>,
    /// All of them.
    pub quotas: Option<Quotas>,
    /// Whether it may use the server.
    pub status: Option<TenantStatus>,
}

impl Tenants {
    pub(super) async fn create(&self, new: NewTenant) -> Result<Arc<Tenant>, Error> {
        check_id(&new.id)?;
        check_texts(new.name.as_deref(), &new.labels)?;
        let _one = self.changing.lock().await;
        if self.called(&new.id).is_some_and(|known| known.status != TenantStatus::Deleting) {
            let message = format!("there is a tenant {:?} already; choose another id", new.id);
            return Err(Error::Conflict { code: "tenant_exists", message });
        }
        if self.read().tenants.len() >= TENANTS {
            let message = format!("there are {TENANTS} tenants, the most that one server keeps (limit `tenants`)");
            return Err(Error::LimitReached { limit: "tenants", message });
        }
        let (number, last) = self.next_number().await?;
        let tenant = Tenant {
            number,
            id: new.id,
            name: new.name,
            labels: new.labels,
            status: TenantStatus::Active,
            quotas: new.quotas,
            created_at: self.clock.now(),
        };
        self.keep(&tenant, vec![last]).await
    }

    /// The next number, and what says that it is taken.
    async fn next_number(&self) -> Result<(TenantId, DocumentWrite), Error> {
        let stored = self.store.document(TenantId::DEFAULT, DocumentKind::Setting, LAST).await?;
        let last = match &stored {
            None => TenantId::DEFAULT.0,
            Some(bytes) => {
                serde_json::from_slice(bytes).map_err(|e| Error::broken("a tenant's number cannot be read", &e))?
            }
        };
        let number = last.checked_add(1).ok_or(Error::Broken)?;
        let (value, expect) = (Bytes::from(number.to_string()), stored.map_or(Expect::Absent, Expect::Value));
        let write = DocumentWrite { kind: DocumentKind::Setting, key: LAST.to_owned(), value: Some(value), expect };
        Ok((TenantId(number), write))
    }

    pub(super) async fn change(&self, id: &str, change: TenantChange) -> Result<Arc<Tenant>, Error> {
        let _one = self.changing.lock().await;
        let known = self.called(id).ok_or_else(|| not_found(id))?;
        let mut tenant = Tenant::clone(&known);
        if known.status == TenantStatus::Deleting {
            let message = format!("the tenant {id:?} is being deleted; what is left of it cannot be changed");
            return Err(Error::Conflict { code: "tenant_deleting", message });
        }
        if let Some(status) = change.status {
            if tenant.number == TenantId::DEFAULT && status != TenantStatus::Active {
                let message = "the default tenant is the operator's own: it can be neither suspended nor deleted";
                return Err(Error::Conflict { code: "default_tenant", message: message.to_owned() });
            }
            tenant.status = status;
        }
        tenant.name = change.name.unwrap_or(tenant.name);
        tenant.labels = change.labels.unwrap_or(tenant.labels);
        tenant.quotas = change.quotas.unwrap_or(tenant.quotas);
        check_texts(tenant.name.as_deref(), &tenant.labels)?;
        self.keep(&tenant, Vec::new()).await
    }

    async fn keep(&self, tenant: &Tenant, mut documents: Vec<DocumentWrite>) -> Result<Arc<Tenant>, Error> {
        let value = serde_json::to_vec(tenant).map_err(|e| Error::broken("a tenant cannot be written", &e))?;
        documents.push(document(tenant.number, Some(value.into())));
        self.committer.commit(Transition { tenant: TenantId::DEFAULT, execution: None, documents }).await?;
        let tenant = Arc::new(tenant.clone());
        self.write().tenants.insert(tenant.number, Arc::clone(&tenant));
        self.tell();
        Ok(tenant)
    }

    /// Nothing is left of it.
    pub(super) async fn forget(&self, number: TenantId) -> Result<(), Error> {
        let documents = vec![document(number, None)];
        self.committer.commit(Transition { tenant: TenantId::DEFAULT, execution: None, documents }).await?;
        self.write().tenants.remove(&number);
        self.tell();
        Ok(())
    }
}

fn document(number: TenantId, value: Option<Bytes>) -> DocumentWrite {
    let key = format!("{:010}", number.0);
    DocumentWrite { kind: DocumentKind::Tenant, key, value, expect: Expect::Anything }
}

pub(super) fn not_found(id: &str) -> Error {
    Error::NotFound { what: "tenant", id: id.chars().take(ID_BYTES).collect() }
}

fn check_id(id: &str) -> Result<(), Error> {
    let wrong = |message: &str| Err(Error::WrongShape { field: "id", message: message.to_owned() });
    if id == DEFAULT {
        return wrong("`default` is the tenant that there is from the first start on; choose another id");
    }
    let letters = id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !letters || id.is_empty() || id.len() > ID_BYTES || id.starts_with('-') || id.ends_with('-') {
        return wrong("`id` has 1 to 63 small letters, digits and `-`, and neither begins nor ends with `-`");
    }
    Ok(())
}

fn check_texts(name: Option<&str>, labels: &BTreeMap<String, String>) -> Result<(), Error> {
    let fits = |text: &str| !text.is_empty() && text.len() <= TEXT_BYTES && !text.contains(char::is_control);
    if name.is_some_and(|name| !fits(name)) {
        let message = format!("`name` has 1 to {TEXT_BYTES} bytes on one line");
        return Err(Error::WrongShape { field: "name", message });
    }
    if labels.len() > LABELS || !labels.iter().all(|(key, value)| fits(key) && (value.is_empty() || fits(value))) {
        let message = format!("`labels` are at most {LABELS} pairs of texts on one line, {TEXT_BYTES} bytes each");
        return Err(Error::WrongShape { field: "labels", message });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_slugs() {
        for id in ["a", "acme", "a-1", "0", &"x".repeat(63)] {
            assert!(check_id(id).is_ok(), "{id}");
        }
        for id in ["", "default", "A", "a_b", "a.b", "-a", "a-", "ä", "a b", "a/b", "a\n", "..", &"x".repeat(64)] {
            assert!(check_id(id).is_err(), "{id}");
        }
    }
}
