//! What goes wrong: hosts die, stand still, are stopped, lose their shards; clocks are set.

use crate::gate::Life;
use crate::host::Host;
use crate::world::World;
use std::sync::Arc;
use stepwell_core::ids::Shard;

/// Starts a host on a machine, which takes all shards over, or some. False: it did not come up.
pub async fn start(world: &Arc<World>, machine: usize, whole: bool) -> bool {
    let number = world.next_host();
    let half = !whole && world.chance(|chance| chance.one_in(3));
    world.take_over((0..=u8::MAX).map(Shard).filter(|shard| !half || shard.0 % 2 == 0), number);
    let Some(host) = Host::start(world, number, machine).await else { return false };
    if world.is_stormy() && world.weather.deadly && world.chance(|chance| chance.one_in(2)) {
        host.store.die_after(world.chance(|chance| chance.below(40)));
    }
    world.add(host);
    true
}

/// Makes trouble until the storm is over.
pub async fn storm(world: &Arc<World>) {
    while world.elapsed() < world.weather.until_ms {
        world.wait(world.chance(|chance| chance.between(100, 8_000))).await;
        let living = world.living();
        let machine = (0..world.weather.hosts).find(|machine| !living.iter().any(|host| host.machine == *machine));
        let lucky = world.chance(|chance| chance.one_in(2));
        match machine {
            Some(machine) if living.is_empty() || lucky => {
                start(world, machine, false).await;
            }
            _ => {
                if let Some(host) = world.chance(|chance| chance.pick(&living).cloned()) {
                    strike(world, &host).await;
                }
            }
        }
    }
}

async fn strike(world: &Arc<World>, host: &Arc<Host>) {
    let weather = world.weather;
    match world.chance(|chance| chance.below(8)) {
        0..=2 if weather.deadly => host.kill(world),
        3 => {
            world.say(format_args!("host {} is shut down", host.number));
            let stopped = async {
                host.engine.shutdown().await;
                Ok(())
            };
            let _ = host.ask(world, stopped).await;
            host.kill(world);
        }
        4 | 5 => {
            let ms = world.chance(|chance| chance.between(100, 40_000));
            world.say(format_args!("host {} is held up for {ms} ms", host.number));
            host.gate.set(Life::Held);
            world.wait(ms / 2).await;
            let free = (0..weather.hosts).find(|machine| *machine != host.machine);
            if let Some(machine) = free.filter(|machine| !world.living().iter().any(|other| other.machine == *machine))
            {
                start(world, machine, false).await;
            }
            world.wait(ms / 2).await;
            host.gate.set(Life::Running);
        }
        6 if weather.jumps => {
            let day = 86_400_000;
            let far = world.chance(|chance| chance.one_in(4));
            let most = if far { day } else { 30_000 };
            let by = i64::try_from(world.chance(|chance| chance.below(2 * most))).unwrap_or(0);
            world.jump(by - i64::try_from(most).unwrap_or(0));
        }
        _ => {}
    }
}

/// The storm is over: one host has all shards, and nothing fails any more.
pub async fn calm(world: &Arc<World>) {
    let (owns_all, last) = match world.living().as_slice() {
        [host] => ((0..=u8::MAX).all(|shard| world.owner(Shard(shard)).0 == host.number), Some(Arc::clone(host))),
        _ => (false, None),
    };
    // A host that read the store at its start while that failed may have left something: somebody starts it again.
    // What another host was about to do with an event is taken up at a start only.
    if let Some(host) = last.filter(|_| owns_all && world.weather.hosts == 1 && !world.weather.unreadable) {
        world.set_stormy(false);
        host.store.die_after(u64::MAX);
        host.gate.set(Life::Running);
        return;
    }
    world.set_stormy(false);
    for host in world.living() {
        host.gate.set(Life::Running);
        host.kill(world);
    }
    if !start(world, 0, true).await {
        world.hold(Err("a host does not come up although nothing fails".to_owned()));
    }
}
