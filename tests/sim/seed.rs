//! One seed, from an empty disk to the end of its world.

use crate::book::Deployed;
use crate::chance::Chance;
use crate::people::{self, Person};
use crate::plan::Plan;
use crate::trace::Trace;
use crate::weather;
use crate::world::World;
use futures_util::future::join_all;
use serde_json::Value;
use std::sync::Arc;
use stepwell_core::ids::TenantId;
use stepwell_engine::ports::Artifact;
use stepwell_engine::{Control, Error, NewTenant, Quotas, Upload};

/// Within so long everything ends once nothing goes wrong any more, in virtual milliseconds, and as much longer as the clocks were set back: longer than
/// all timers and pauses of a workflow together.
const PEACE_MS: u64 = 40 * 60_000;
/// So often somebody looks whether it has, milliseconds.
const LOOK_MS: u64 = 20_000;

/// What became of a seed.
pub struct Report {
    pub breaches: Vec<String>,
    /// The digest of its trace, and how many lines that has.
    pub digest: (u64, u64),
    pub executions: usize,
}

/// Lets a world of this seed come and go.
pub fn play(seed: u64, shown: bool) -> Result<Report, String> {
    let builder = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let tokio = builder.map_err(|error| error.to_string())?;
    let report = tokio.block_on(async {
        let world = World::new(Chance::new(seed), Trace::new(shown));
        world.say(format_args!("seed {seed}: {:?}", world.weather));
        live(&world).await.map_err(|error| format!("the world could not be set up: {error}"))?;
        let mut book = world.book();
        let breaches = std::mem::take(&mut book.breaches);
        Ok(Report { breaches, digest: world.digest(), executions: book.stories.len() })
    });
    drop(tokio); // whatever is left of dead hosts ends here
    report
}

async fn live(world: &Arc<World>) -> Result<(), Error> {
    weather::start(world, 0, true).await;
    let people = set_up(world).await?;
    world.set_stormy(true);
    let all = async {
        let served = people::serve(world);
        let lived = async {
            tokio::join!(join_all(people.iter().map(|person| person.live(world))), events(world), async {
                weather::storm(world).await;
                weather::calm(world).await;
            });
            settle(world).await;
        };
        tokio::select! { biased; () = lived => {}, () = served => {} }
    };
    tokio::select! { biased; () = broken(world) => {}, () = all => {} }
    Ok(())
}

/// Returns soon after a rule was broken.
async fn broken(world: &World) {
    while world.book().breaches.is_empty() {
        world.wait(100).await;
    }
}

/// Tenants, functions, workflows, and those who start them.
async fn set_up(world: &Arc<World>) -> Result<Vec<Person>, Error> {
    let living = world.living();
    let host = living.first().ok_or_else(|| Error::Unavailable("no host".to_owned()))?;
    let (id, name, labels) = ("other".to_owned(), None, std::collections::BTreeMap::new());
    let other = host.engine.create_tenant(NewTenant { id, name, labels, quotas: Quotas::default() }).await?;
    world.hold(if other.number == world.tenants[1] {
        Ok(())
    } else {
        Err("tenants are numbered otherwise".to_owned())
    });
    let child = world.chance(|chance| Arc::new(Plan::new(chance, "child", None)));
    let count = world.chance(|chance| chance.between(1, 3));
    let plans = (0..count).map(|n| world.chance(|chance| Arc::new(Plan::new(chance, &format!("w{n}"), Some(&child)))));
    let plans: Vec<Arc<Plan>> = std::iter::once(Arc::clone(&child)).chain(plans).collect();
    for tenant in world.tenants {
        for function in ["pure", "effect"] {
            host.engine.registry().deploy(tenant, Upload::new(function, Artifact::wasm(function.to_owned()))).await?;
        }
        for plan in &plans {
            let stored = host.engine.registry().create_workflow(tenant, plan.definition.clone()).await?;
            let deployed = Deployed { plan: Arc::clone(plan), workflow: Arc::clone(&stored.workflow) };
            world.book().deployed.insert((tenant, plan.id.clone()), deployed);
        }
    }
    for plan in &plans {
        world.say(format_args!("{}", plan.definition));
    }
    Ok(world.chance(|chance| crowd(chance, &plans, world.tenants, world.weather.until_ms)))
}

fn crowd(chance: &mut Chance, plans: &[Arc<Plan>], tenants: [TenantId; 2], until: u64) -> Vec<Person> {
    let count = chance.between(1, 7);
    let people = (0..count).filter_map(|n| {
        let plan = Arc::clone(chance.pick(plans)?);
        let tenant = if chance.one_in(4) { tenants[1] } else { tenants[0] };
        let name = format!("start-{n}");
        let mut input = plan.input(chance);
        input["who"] = Value::from(name.as_str());
        let (comes, looks) = (chance.below(until), chance.below(12));
        Some(Person { tenant, plan, name, input, comes, looks })
    });
    people.collect()
}

/// Events that start workflows.
async fn events(world: &Arc<World>) {
    let kinds: Vec<(TenantId, String)> = {
        let book = world.book();
        let wanted =
            |(key, deployed): (&(TenantId, String), &Deployed)| Some((key.0, deployed.plan.started_by.clone()?));
        book.deployed.iter().filter_map(wanted).collect()
    };
    for (number, (tenant, kind)) in kinds.into_iter().enumerate() {
        if world.chance(|chance| chance.one_in(2)) {
            continue;
        }
        world.wait(world.chance(|chance| chance.below(20_000))).await;
        // Whoever publishes is as stubborn as whoever starts.
        for _ in 0..1_000 {
            let living = world.living();
            if let Some(host) = world.chance(|chance| chance.pick(&living).cloned())
                && people::publish(world, &host, (tenant, kind.clone()), format!("begin-{number}")).await
            {
                break;
            }
            world.wait(1_000).await;
        }
    }
}

/// Waits until everything has ended, resumes what somebody paused, and closes the book.
async fn settle(world: &Arc<World>) {
    let until = world.elapsed() + PEACE_MS + world.book().set_back_ms();
    let mut ended = 0;
    while world.elapsed() < until {
        let open: Vec<_> = {
            let book = world.book();
            let open = book.stories.iter().filter(|(_, story)| !story.now().is_ended());
            open.map(|(key, story)| (*key, story.now().paused.is_some())).collect()
        };
        // An event may start something a moment later; much later, if the clocks were set back meanwhile.
        let due = world.book().started_by_events().iter().any(|((_, told), started)| *told && *started == 0);
        ended = if open.is_empty() && !due { ended + 1 } else { 0 };
        if ended == 3 {
            break;
        }
        for host in world.living() {
            for (key, _) in open.iter().filter(|(_, paused)| *paused) {
                let _ =
                    host.ask(world, host.engine.control(key.tenant, &key.id.to_string(), Control::Resume, None)).await;
            }
        }
        let set_back = world.book().set_back_ms();
        world.wait(LOOK_MS + set_back / 200).await;
    }
    let breaches = world.book().close();
    breaches.into_iter().for_each(|breach| world.hold(Err(breach)));
    for host in world.living() {
        for tenant in world.tenants {
            if let Some(Ok(usage)) = host.ask(world, host.engine.usage(tenant, (None, None))).await {
                world.hold(crate::invariants::counters_return_to_zero(host.engine.in_memory(), &usage));
            }
        }
        let promised = world.book().promised();
        for id in promised {
            let owner = world.book().owner(&id);
            if let Some(tenant) = owner {
                people::look(world, &host, (tenant, &id), None).await;
            }
        }
    }
}
