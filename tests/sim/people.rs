//! Those outside: they start executions and do not give up until they are told so, look, wait, follow, cancel, pause, try again, and answer.

use crate::host::Host;
use crate::plan::Plan;
use crate::world::World;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use stepwell_core::execution::{Answer, ApprovalStatus, Trigger};
use stepwell_core::ids::TenantId;
use stepwell_core::payload::Payload;
use stepwell_engine::{ApprovalRequest, Control, Error, Followed, ListRequest, NewEvent, RerunRequest, StartRequest};

/// One who starts one execution.
pub struct Person {
    pub tenant: TenantId,
    pub plan: Arc<Plan>,
    /// The idempotency key of the start.
    pub name: String,
    pub input: Value,
    /// When they come, milliseconds.
    pub comes: u64,
    /// How often they look.
    pub looks: u64,
}

/// A host, if there is one.
fn some_host(world: &World) -> Option<Arc<Host>> {
    let living = world.living();
    world.chance(|chance| chance.pick(&living).cloned())
}

impl Person {
    /// All that they do.
    pub async fn live(&self, world: &Arc<World>) {
        world.wait(self.comes).await;
        let Some(id) = self.start(world).await else { return };
        for _ in 0..self.looks {
            world.wait(world.chance(|chance| chance.below(8_000))).await;
            if let Some(host) = some_host(world) {
                self.act(world, &host, &id).await;
            }
        }
    }

    /// Starts it, again and again until it is acknowledged.
    async fn start(&self, world: &Arc<World>) -> Option<String> {
        for _ in 0..10_000 {
            let request = StartRequest {
                workflow: self.plan.id.clone(),
                input: Some(Payload::from_value(&self.input)),
                trigger: Trigger::api(Some("somebody".into())),
                idempotency_key: Some(self.name.clone()),
                patient: world.chance(|chance| chance.below(2)) == 0,
            };
            if let Some(host) = some_host(world)
                && let Some(answer) = host.ask(world, host.engine.start_execution(self.tenant, request)).await
            {
                match answer {
                    Ok(id) => {
                        world.say(format_args!("{} is told {id}", self.name));
                        let checked = world.book().acknowledged(self.tenant, &self.name, &id.to_string());
                        world.hold(checked);
                        return Some(id.to_string());
                    }
                    Err(error) => world.say(format_args!("{} is refused: {error}", self.name)),
                }
            }
            world.wait(500).await;
        }
        world.hold(Err(format!("{} could not be started", self.name)));
        None
    }

    async fn act(&self, world: &Arc<World>, host: &Host, id: &str) {
        match world.chance(|chance| chance.below(20)) {
            0..=4 => look(world, host, (self.tenant, id), None).await,
            5..=7 => look(world, host, (self.tenant, id), Some(Duration::from_secs(10))).await,
            8..=10 => self.read_history(world, host, id).await,
            11..=12 => self.follow(world, host, id).await,
            13 => self.list(world, host).await,
            14 => self.look_elsewhere(world, host, id).await,
            15 => self.control(world, host, (id, Control::Pause)).await,
            16 => self.control(world, host, (id, Control::Resume)).await,
            17 => {
                if world.chance(|chance| chance.one_in(3)) {
                    world.book().cancel(id);
                    self.control(world, host, (id, Control::Cancel { reason: None })).await;
                }
            }
            18 => {
                world.book().mend(id);
                self.control(world, host, (id, Control::Retry)).await;
            }
            _ => self.rerun(world, host, id).await,
        }
    }

    async fn read_history(&self, world: &Arc<World>, host: &Host, id: &str) {
        let from = world.chance(|chance| u32::try_from(chance.below(4)).unwrap_or(0));
        if let Some(Ok(history)) = host.ask(world, host.engine.history(self.tenant, id, (from, 100))).await {
            let checked = world.book().shown_lines(id, from as usize, &history.items);
            world.hold(checked);
        }
    }

    /// Reads along for a while.
    async fn follow(&self, world: &Arc<World>, host: &Host, id: &str) {
        let Some(Ok(mut following)) = host.ask(world, host.engine.follow_execution(self.tenant, id, None)).await else {
            return;
        };
        let mut lines = Vec::new();
        for _ in 0..30 {
            match host.ask(world, following.next()).await {
                Some(Ok(Followed::Line { line, .. })) => lines.push(line),
                Some(Ok(Followed::End(_)) | Err(_)) | None => break,
            }
            let checked = world.book().shown_lines(id, 0, &lines);
            world.hold(checked);
        }
    }

    async fn list(&self, world: &Arc<World>, host: &Host) {
        let request = ListRequest { workflow: None, statuses: None, since: None, after: None, limit: 50 };
        if let Some(Ok(list)) = host.ask(world, host.engine.executions(self.tenant, &request)).await {
            for item in list.items {
                let id = item["executionId"].as_str().unwrap_or_default();
                let owner = world.book().owner(id);
                world.hold(crate::invariants::a_tenant_sees_its_own(self.tenant, id, owner));
            }
        }
    }

    /// As if it were another tenant's.
    async fn look_elsewhere(&self, world: &Arc<World>, host: &Host, id: &str) {
        for other in world.tenants.into_iter().filter(|other| *other != self.tenant) {
            if let Some(Ok(shown)) = host.ask(world, host.engine.status(other, id, None)).await {
                world.hold(Err(format!("{other:?} was shown {shown}")));
            }
        }
    }

    async fn control(&self, world: &Arc<World>, host: &Host, (id, control): (&str, Control)) {
        let text = format!("{control:?}");
        // As the server does it: such a change is made to its end, even if its caller hangs up.
        let (engine, tenant, of) = (host.engine.clone(), self.tenant, id.to_owned());
        let change = async move { engine.control(tenant, &of, control, None).await };
        let ended = async { host.engine.to_the_end("control", change).await.unwrap_or(Err(Error::Broken)) };
        let answer = host.ask(world, ended).await;
        world.say(format_args!("{text} of {id}: {}", told(answer.as_ref())));
    }

    async fn rerun(&self, world: &Arc<World>, host: &Host, id: &str) {
        let request = RerunRequest::default();
        if let Some(Ok(new)) = host.ask(world, host.engine.rerun(self.tenant, id, request)).await {
            world.say(format_args!("{id} is run again as {new}"));
            let checked = world.book().acknowledged(self.tenant, &format!("rerun {new}"), &new.to_string());
            world.hold(checked);
        }
    }
}

fn told<T>(answer: Option<&Result<T, Error>>) -> String {
    match answer {
        None => "no answer".to_owned(),
        Some(Ok(_)) => "done".to_owned(),
        Some(Err(error)) => error.to_string(),
    }
}

/// Asks for a status; with `wait`, for the end.
pub async fn look(world: &Arc<World>, host: &Host, (tenant, id): (TenantId, &str), wait: Option<Duration>) {
    let asked = async {
        let shown = host.engine.status(tenant, id, wait).await;
        shown.map(|shown| (shown, world.now()))
    };
    match host.ask(world, asked).await {
        Some(Ok((shown, now))) => {
            let checked = world.book().shown_status((tenant, id), &shown, now);
            world.hold(checked);
        }
        Some(Err(Error::NotFound { .. })) => world.hold(Err(format!("{id} was acknowledged and is not found"))),
        Some(Err(_)) | None => {}
    }
}

/// Answers what people are asked, and publishes what steps and workflows wait for, for ever.
pub async fn serve(world: &Arc<World>) {
    for number in 0u64.. {
        // Where timers take a day because the clocks were set back, nobody is in a hurry.
        let set_back = world.book().set_back_ms();
        let most = if world.is_stormy() { 4_000 } else { 60_000 + set_back / 50 };
        world.wait(world.chance(|chance| chance.between(500, most))).await;
        for tenant in world.tenants {
            if let Some(host) = some_host(world) {
                answer(world, &host, tenant).await;
            }
            if let Some(host) = some_host(world) {
                publish(world, &host, (tenant, "sim.go".to_owned()), format!("go-{number}")).await;
            }
        }
    }
}

async fn answer(world: &Arc<World>, host: &Host, tenant: TenantId) {
    let pending =
        ApprovalRequest { statuses: Some(vec![ApprovalStatus::Pending]), limit: 50, ..ApprovalRequest::default() };
    let Some(Ok(pending)) = host.ask(world, host.engine.approvals(tenant, &pending)).await else { return };
    for item in pending.items {
        let id = item["id"].as_str().unwrap_or_default();
        let approved = world.chance(|chance| chance.one_in(2));
        let answer = Answer { by: "ann".to_owned(), groups: Vec::new(), approved, comment: None, data: None };
        let _ = host.ask(world, host.engine.answer_approval(tenant, id, answer)).await;
    }
}

/// Publishes an event; it is kept in the book whether or not that is acknowledged.
pub async fn publish(world: &Arc<World>, host: &Host, (tenant, kind): (TenantId, String), id: String) -> bool {
    let data =
        world.book().deployed.values().find(|deployed| deployed.plan.started_by.as_ref() == Some(&kind)).cloned();
    let data = data.map(|deployed| Payload::from_value(&world.chance(|chance| deployed.plan.input(chance))));
    let (source, id_given) = ("sim".to_owned(), Some(id.clone()));
    world.book().events.entry((tenant, id.clone())).or_insert_with(|| (kind.clone(), false));
    let new = NewEvent { kind: kind.clone(), source, id: id_given, data, ..NewEvent::default() };
    let told = host.ask(world, host.engine.publish(tenant, new)).await;
    let acknowledged = matches!(told, Some(Ok(_)));
    if acknowledged {
        world.say(format_args!("{kind} {id} is published"));
        world.book().events.insert((tenant, id), (kind, true));
    }
    acknowledged
}
