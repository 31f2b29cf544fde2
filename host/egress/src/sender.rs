//! The port.

use crate::body::{Open, Rest, Room};
use crate::clock::Limit;
use crate::connect::{TRIED, Waits, connect};
use crate::exchange::exchange;
use crate::limits::EgressLimits;
use crate::policy::AddressPolicy;
use crate::request::rebuilt;
use crate::resolve::Resolver;
use crate::surroundings::Inside;
use crate::target::{Host, Target};
use crate::tls::{Authorities, InvalidAuthority};
use crate::turns::Turns;
use bytes::Bytes;
use rustls::ClientConfig;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use stepwell_core::ids::TenantId;
use stepwell_engine::ports::{Connection, Egress, HttpFault, HttpFaultKind, HttpRequest, HttpResponse};
use tokio::runtime::Handle;

/// What the sender needs to know.
pub struct EgressConfig {
    /// Its numbers.
    pub limits: EgressLimits,
    /// Which addresses may be reached.
    pub policy: AddressPolicy,
    /// Whose certificates are accepted.
    pub authorities: Authorities,
    /// Who knows the addresses of names.
    pub resolver: Arc<dyn Resolver>,
    /// Whose sockets and timers are used, and whose threads may block for the resolver.
    pub handle: Handle,
}

/// The port on hyper and rustls.
pub struct HttpEgress {
    limits: EgressLimits,
    policy: AddressPolicy,
    tls: Arc<ClientConfig>,
    resolver: Arc<dyn Resolver>,
    handle: Handle,
    turns: Turns,
}

impl HttpEgress {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// [`InvalidAuthority`]: TLS cannot be set up.
    pub fn new(config: EgressConfig) -> Result<Self, InvalidAuthority> {
        Ok(Self {
            limits: config.limits,
            policy: config.policy,
            tls: Arc::new(config.authorities.config()?),
            resolver: config.resolver,
            handle: config.handle,
            turns: Turns::new(config.limits),
        })
    }
}

#[async_trait::async_trait]
impl Egress for HttpEgress {
    async fn send(&self, connection: Connection, request: HttpRequest) -> Result<HttpResponse, HttpFault> {
        let target = Target::parse(&request.scheme, &request.authority)
            .map_err(|error| HttpFault::new(HttpFaultKind::Invalid, error))?;
        let answer = Inside::new(self.handle.clone(), self.answer(connection, request, &target)).await;
        let tenant = connection.tenant;
        match &answer {
            Ok(answer) => tracing::debug!(%tenant, %target, status = answer.status, "outgoing request"),
            Err(fault) if fault.kind == HttpFaultKind::Denied => {
                tracing::warn!(%tenant, %target, %fault, "outgoing request refused");
            }
            Err(fault) => tracing::debug!(%tenant, %target, kind = ?fault.kind, "outgoing request failed"),
        }
        answer
    }
}

impl HttpEgress {
    async fn answer(
        &self,
        connection: Connection,
        request: HttpRequest,
        target: &Target,
    ) -> Result<HttpResponse, HttpFault> {
        let deadline = Limit::attempt(connection.at_most);
        let waits = Waits::new(&self.limits, request.timeouts);
        let request = rebuilt(request, target, &self.limits)?;
        let turn = self.turns.connection(connection.tenant, deadline).await?;
        let addresses = self.addresses(target, connection.tenant, deadline).await?;
        let stream = connect(target, &addresses, &self.tls, (deadline, waits)).await?;
        let limit = deadline.within(waits.first_byte, "the server did not answer in time");
        let (answer, wire) = exchange(stream, request, limit).await?;
        let (head, incoming) = answer.into_parts();
        let room = Room::new(self.limits.response_bytes);
        let open =
            Open { incoming, wire, rest: Bytes::new(), room, deadline, between: waits.between_bytes, _turn: turn };
        let body = Rest::new(open, self.handle.clone())?;
        let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
        Ok(HttpResponse { status: head.status.as_u16(), headers: headers.collect(), body: Box::new(body) })
    }

    /// The addresses that may be reached, at most so many as are tried.
    async fn addresses(
        &self,
        target: &Target,
        tenant: TenantId,
        deadline: Limit,
    ) -> Result<Vec<SocketAddr>, HttpFault> {
        let (ips, is_name) = match &target.host {
            Host::Address(address) => (vec![*address], false),
            Host::Name(name) => (self.resolve(name.clone(), tenant, deadline).await?, true),
        };
        let mut rule = None;
        let all = ips.into_iter().map(|ip| SocketAddr::new(ip, target.port));
        let open = all.filter(|address| match self.policy.check(*address) {
            Ok(()) => true,
            Err(refused) => {
                rule.get_or_insert(refused);
                false
            }
        });
        let open: Vec<_> = open.take(TRIED).collect();
        match rule {
            Some(rule) if open.is_empty() => Err(denied(target, rule, is_name)),
            None if open.is_empty() => Err(nameless(target)),
            _ => Ok(open),
        }
    }

    /// One question; its answer is what is checked and connected to.
    async fn resolve(&self, name: String, tenant: TenantId, deadline: Limit) -> Result<Vec<IpAddr>, HttpFault> {
        let limit = deadline.within(self.limits.resolve, "the name of the host was not resolved in time");
        let turn = self.turns.lookup(tenant, limit).await?;
        let resolver = Arc::clone(&self.resolver);
        let message = format!("the name {name} has no address");
        let asked = self.handle.spawn_blocking(move || {
            let answer = resolver.resolve(&name);
            drop(turn); // held by the thread, not by whoever waits: it is busy until here
            answer
        });
        let failed = |_| HttpFault::new(HttpFaultKind::Internal, "the name of the host could not be resolved");
        let answer = limit.keep(asked).await?.map_err(failed)?;
        answer.map_err(|_| HttpFault::new(HttpFaultKind::Dns, message))
    }
}

fn nameless(target: &Target) -> HttpFault {
    HttpFault::new(HttpFaultKind::Dns, format!("the name {} has no address", target.host))
}

/// Says the rule and the remedy, but not the address that was found: how the operator's network looks inside is not the tenant's.
fn denied(target: &Target, rule: &str, is_name: bool) -> HttpFault {
    let subject = if is_name { format!("the address of {}", target.host) } else { target.host.to_string() };
    let message = format!(
        "{subject} may not be reached: {rule}. Functions reach the public internet; the operator can allow a network of their own: \
         stepwell serve --allow-network CIDR"
    );
    HttpFault::new(HttpFaultKind::Denied, message)
}
