//! No tenant starves, shares follow weights whatever attempts cost, and no place stays empty.

use super::*;
use proptest::prelude::*;

const A: TenantId = TenantId(1);
const B: TenantId = TenantId(2);

fn share(weight: u32, at_once: usize) -> Share {
    Share { weight, at_once }
}

/// A generator that needs no crate and gives the same numbers again.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound.max(1)
    }
}

/// What two tenants get that always have more to do, each with attempts of its own usual cost.
fn served(weights: (u32, u32), costs: (u64, u64), total: usize, seed: u64) -> (u64, u64) {
    let mut fair = Fair::new(Places { total, reserved: 0 });
    let mut chance = Chance(seed);
    let of = |tenant| if tenant == A { (weights.0, costs.0) } else { (weights.1, costs.1) };
    for tenant in [A, B] {
        (0..total * 2).for_each(|_| fair.enter(tenant, share(of(tenant).0, total), ()));
    }
    let (mut under_way, mut used, mut ended) = (Vec::new(), (0, 0), (0, 0));
    while ended.0 < 300 || ended.1 < 300 {
        while let Some(turn) = fair.next() {
            under_way.push((turn.tenant, turn.charged));
            fair.enter(turn.tenant, share(of(turn.tenant).0, total), ());
        }
        let nth = usize::try_from(chance.below(under_way.len() as u64)).expect("small");
        let (tenant, charged) = under_way.swap_remove(nth);
        let usual = of(tenant).1;
        let cost = usual / 2 + chance.below(usual);
        fair.end(tenant, charged, Cost::Fuel(cost));
        let (used, ended) = if tenant == A { (&mut used.0, &mut ended.0) } else { (&mut used.1, &mut ended.1) };
        *used += cost;
        *ended += 1;
    }
    used
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn shares_follow_weights_whatever_attempts_cost(
        weights in (1u32..8, 1u32..8),
        costs in (1_000_000u64..60_000_000, 1_000_000u64..60_000_000),
        total in 1usize..8,
        seed in any::<u64>(),
    ) {
        let (a, b) = served(weights, costs, total, seed);
        let got = a as f64 / (a + b) as f64;
        let due = f64::from(weights.0) / f64::from(weights.0 + weights.1);
        prop_assert!((got - due).abs() < 0.05, "{got} instead of {due}");
    }

    #[test]
    fn limits_hold_and_no_place_stays_empty(
        places in (1usize..6, 0usize..3),
        at_once in prop::collection::vec(1usize..4, 1..5),
        steps in prop::collection::vec((0usize..5, 0u64..5_000_000_000, any::<bool>()), 1..200),
    ) {
        let (total, reserved) = (places.0, places.1.min(places.0 - 1));
        let mut fair = Fair::new(Places { total, reserved });
        let mut model: Vec<(usize, VecDeque<usize>)> = vec![(0, VecDeque::new()); at_once.len()];
        let mut under_way: VecDeque<(usize, i64)> = VecDeque::new();
        let mut known = std::collections::BTreeSet::new();
        for (number, (who, fuel, comes)) in steps.into_iter().enumerate() {
            let who = who % at_once.len();
            let tenant = |who: usize| TenantId(u32::try_from(who).expect("small") + 1);
            if comes {
                fair.enter(tenant(who), share(1, at_once[who]), number);
                model[who].1.push_back(number);
                known.insert(who);
            } else if let Some((who, charged)) = under_way.pop_front() {
                fair.end(tenant(who), charged, if fuel == 0 { Cost::Unknown } else { Cost::Fuel(fuel) });
                model[who].0 -= 1;
            }
            while let Some(turn) = fair.next() {
                let who = usize::try_from(turn.tenant.0).expect("small") - 1;
                prop_assert_eq!(model[who].1.pop_front(), Some(turn.ticket), "first come, first served");
                model[who].0 += 1;
                prop_assert!(model[who].0 <= at_once[who]);
                under_way.push_back((who, turn.charged));
                prop_assert!(under_way.len() <= total);
            }
            let kept = if known.len() > 1 { reserved } else { 0 };
            for (who, (running, waiting)) in model.iter().enumerate() {
                let place = under_way.len() + if *running == 0 { 0 } else { kept } < total;
                prop_assert!(waiting.is_empty() || *running >= at_once[who] || !place, "{who} could run");
            }
        }
    }

    #[test]
    fn who_comes_anew_is_served_soon(
        others in prop::collection::vec((1u32..10, 0u64..10_000_000_000), 1..6),
        total in 1usize..6,
    ) {
        let mut fair = Fair::new(Places { total, reserved: 0 });
        let new = TenantId(99);
        let mut under_way = VecDeque::new();
        let tenant = |nth: usize| TenantId(u32::try_from(nth).expect("small") + 1);
        let enter = |fair: &mut Fair<()>, nth: usize| fair.enter(tenant(nth), share(others[nth].0, total), ());
        for nth in 0..others.len() {
            (0..=total).for_each(|_| enter(&mut fair, nth));
        }
        // A round gives each of the others so many free attempts at most, and those that run already end first.
        let bound = others.iter().map(|(weight, _)| 6 * usize::try_from(*weight).expect("small") + 1).sum::<usize>() + total;
        for turns in 0..bound + 200 {
            if turns == 200 {
                fair.enter(new, share(1, total), ());
            }
            while let Some(turn) = fair.next() {
                if turn.tenant == new {
                    return Ok(());
                }
                under_way.push_back(turn);
            }
            let ended = under_way.pop_front().expect("something runs");
            let nth = usize::try_from(ended.tenant.0).expect("small") - 1;
            fair.end(ended.tenant, ended.charged, Cost::Fuel(others[nth].1));
            enter(&mut fair, nth);
        }
        prop_assert!(false, "not within {bound} turns");
    }
}

#[test]
fn a_debt_is_paid_by_the_rounds_that_were_left_to_others() {
    let mut fair = Fair::new(Places { total: 1, reserved: 0 });
    fair.enter(A, share(1, 1), "a");
    let turn = fair.next().expect("free");
    fair.end(A, turn.charged, Cost::Fuel(1_000_000_000));
    // A is gone for long, while B computes as much as A had.
    for _ in 0..100 {
        fair.enter(B, share(1, 1), "b");
        let turn = fair.next().expect("free");
        fair.end(B, turn.charged, Cost::Fuel(10_000_000));
        fair.enter(B, share(1, 1), "b");
        let turn = fair.next().expect("free");
        fair.end(B, turn.charged, Cost::Fuel(10_000_000));
    }
    fair.enter(A, share(1, 1), "a");
    fair.enter(B, share(1, 1), "b");
    assert_eq!(fair.next().map(|turn| turn.ticket), Some("a"), "it owes no more than B");
}

#[test]
fn a_stopped_wait_costs_nothing_and_a_free_attempt_costs_the_floor() {
    let mut fair = Fair::new(Places { total: 1, reserved: 0 });
    fair.enter(A, share(1, 1), ());
    let turn = fair.next().expect("free");
    fair.end(A, turn.charged, Cost::Nothing);
    let before = fair.credit(A);
    fair.enter(A, share(1, 1), ());
    let turn = fair.next().expect("free");
    fair.end(A, turn.charged, Cost::Fuel(0));
    assert_eq!((before, fair.credit(A), fair.running()), (0, 0, 0), "it was charged the floor when it began");
}

#[test]
fn a_reserved_place_is_for_tenants_of_which_nothing_runs() {
    let mut fair = Fair::new(Places { total: 4, reserved: 1 });
    (0..9).for_each(|_| fair.enter(A, share(1, 9), "a"));
    fair.enter(B, share(1, 9), "b");
    let served: Vec<_> = std::iter::from_fn(|| fair.next()).map(|turn| turn.ticket).collect();
    assert_eq!((served.len(), served.iter().filter(|who| **who == "b").count()), (3, 1));
    fair.end(A, FLOOR, Cost::Unknown);
    assert_eq!(fair.next().map(|turn| turn.ticket), Some("a"));
    assert!(fair.next().is_none(), "kept for whoever comes");
    fair.enter(TenantId(3), share(1, 9), "c");
    assert_eq!(fair.next().map(|turn| turn.ticket), Some("c"));
}
