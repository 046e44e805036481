//! What a request will cost: a running mean for each route, in ns of processor and database time.

use super::facts::{Route, RouteId, Work};
use super::number::{real, whole};
use crate::limits::decide as limits;

/// Costs learnt, by route.
pub(super) struct Costs {
    mean_ns: Box<[f64; 256]>,
}

impl Costs {
    pub(super) fn new() -> Self {
        Self { mean_ns: Box::new([0.0; 256]) }
    }

    /// What one request of a route is charged on admission.
    pub(super) fn estimate_ns(&self, route: Route) -> u64 {
        let mean = self.mean_ns.get(usize::from(route.id.0)).copied().unwrap_or(0.0);
        if mean > 0.0 {
            return whole(mean).max(1);
        }
        match route.work {
            Work::Plain | Work::Cacheable => limits::COST_UNKNOWN_NS,
            Work::Search | Work::Media | Work::Fetch => limits::COST_UNKNOWN_DEAR_NS,
        }
    }

    /// Learns from one that has ended. A single one counts for at most so many times the mean: who
    /// finds the dearest request of a route shall not make the route dear for everybody at once.
    pub(super) fn learn(&mut self, route: RouteId, cost_ns: u64) {
        let Some(mean) = self.mean_ns.get_mut(usize::from(route.0)) else { return };
        let cost = real(cost_ns.max(1));
        if *mean > 0.0 {
            let bounded = cost.min(*mean * limits::COST_OUTLIER);
            *mean += (bounded - *mean) / limits::COST_MEMORY;
        } else {
            *mean = cost;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::{Criticality, Door};
    use super::*;

    const fn of(id: u8, work: Work) -> Route {
        Route { id: RouteId(id), criticality: Criticality::Usual, work, door: Door::Page }
    }

    #[test]
    fn a_route_is_charged_what_its_requests_cost() {
        let (mut costs, route) = (Costs::new(), of(7, Work::Plain));
        assert_eq!(costs.estimate_ns(route), limits::COST_UNKNOWN_NS);
        (0..300).for_each(|at| costs.learn(route.id, if at % 2 == 0 { 100_000 } else { 300_000 }));
        assert!((150_000..250_000).contains(&costs.estimate_ns(route)));
        assert_eq!(costs.estimate_ns(of(8, Work::Plain)), limits::COST_UNKNOWN_NS);
        assert_eq!(costs.estimate_ns(of(8, Work::Search)), limits::COST_UNKNOWN_DEAR_NS);
    }

    #[test]
    fn one_monster_does_not_make_its_route_dear() {
        let (mut costs, route) = (Costs::new(), of(7, Work::Plain));
        (0..100).for_each(|_| costs.learn(route.id, 100_000));
        costs.learn(route.id, u64::MAX);
        assert!(costs.estimate_ns(route) < 200_000);
    }
}
